"""Consistency of a registry: the bytes of every row, a row for every copy, and the tables among themselves.

`check` only looks. `repair` mends what can be derived from the rest; bytes that are gone or damaged
it cannot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lamin_core.admin.fsck.contents import check_contents
from lamin_core.admin.fsck.copies import GRACE, Orphan, find_orphans, remove
from lamin_core.admin.fsck.problem import Problem
from lamin_core.admin.fsck.rules import RULES, find_damage
from lamin_core.instance.instance import Instance
from lamin_core.storage.blobs import remove as remove_copy

__all__ = ["GRACE", "Problem", "Report", "check", "remove_damaged", "remove_orphans", "repair"]


@dataclass(slots=True)
class Report:
    """The number of checked items, and the problems."""

    deep: bool
    checked: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, object]:
        """Return the result as it is printed by `--json`."""
        problems = [problem.as_dict() for problem in self.problems]
        return {
            "deep": self.deep,
            "checked": dict(sorted(self.checked.items())),
            "problems": problems,
        }


def check(instance: Instance, *, deep: bool = False, grace: float = GRACE) -> Report:
    """Look at everything; `deep` also reads every byte and compares it with its digest.

    Files in a managed storage that no row names are orphans, unless they are younger than `grace`
    seconds: a save that is under way copies first and writes the row last.
    """
    report = Report(deep)
    with instance.db.reading() as session:
        report.problems = find_damage(session)
        report.checked["rules"] += 1
    if report.problems:
        return report
    report.problems += check_contents(instance, report.checked, deep=deep)
    report.orphans = list(find_orphans(instance, report.checked, grace=grace))
    report.problems += [orphan.problem for orphan in report.orphans]
    with instance.db.reading() as session:
        for rule in RULES:
            report.problems += rule.find(session)
            report.checked["rules"] += 1
    return report


def repair(instance: Instance) -> int:
    """Mend what follows from the rest of the tables; how many problems that were."""
    mended = 0
    for rule in RULES:
        with instance.db.writing() as session:
            mended += rule.mend(session)
    return mended


def remove_damaged(report: Report) -> int:
    """Remove the copies that do not hold what was saved; how many there were. Saving the originals brings them back.

    Raises `Conflict` for what does not lie below its storage, and `Unavailable`.
    """
    damaged = set()
    for problem in report.problems:
        if problem.kind == "damaged" and problem.path and problem.root:
            damaged.add((problem.root, problem.path))
    for root, path in sorted(damaged):
        remove_copy(root, path[len(root.rstrip("/")) + 1 :])
    return len(damaged)


def remove_orphans(report: Report) -> int:
    """Remove the copies that no row names; how many there were."""
    for orphan in report.orphans:
        remove(orphan)
    return len(report.orphans)
