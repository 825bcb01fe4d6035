"""The result of one check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The check, how it came out, what was seen, and what to type where it is not well."""

    check: str
    status: Status
    detail: str
    hint: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return the finding as it is printed by `--json`."""
        return asdict(self)


def ok(check: str, detail: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, "ok", detail)


def warning(check: str, detail: str, hint: str) -> Finding:
    """It works, but may cause problems."""
    return Finding(check, "warning", detail, hint)


def failure(check: str, detail: str, hint: str) -> Finding:
    """It does not work."""
    return Finding(check, "failure", detail, hint)
