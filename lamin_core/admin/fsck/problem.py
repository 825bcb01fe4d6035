"""One problem that the consistency check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem, the record that has it, and the hint; `kind` is a word for programs."""

    kind: str
    what: str
    hint: str
    uid: str | None = None
    path: str | None = None
    root: str | None = None
    """The storage of the path."""

    def as_dict(self) -> dict[str, str | None]:
        """Return the problem as it is printed by `--json`."""
        return {
            "kind": self.kind,
            "uid": self.uid,
            "path": self.path,
            "what": self.what,
            "hint": self.hint,
        }
