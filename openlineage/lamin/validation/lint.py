"""Judging events by the official schemas: many at once, with the place of each problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from lamin_core.db.database import Database
from lamin_core.models import Event as Row
from openlineage.lamin.receive.json_reader import decode, text_of
from openlineage.lamin.validation.schema import problems


@dataclass(slots=True)
class Lint:
    """The number of events checked, the number of invalid ones, and each problem with its position."""

    judged: int = 0
    invalid: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [{"event": location, "problem": problem} for location, problem in self.problems]
        return {"judged": self.judged, "invalid": self.invalid, "problems": rows}

    def judge(self, location: str, text: str | bytes) -> None:
        """One more event."""
        self.judged += 1
        try:
            issues = problems(decode(text_of(text)))
        except (ValueError, RecursionError) as error:
            issues = [f"not JSON: {error}"]
        self.invalid += bool(issues)
        self.problems += [(location, problem) for problem in issues]


def lint_log(database: Database) -> Lint:
    """Every event of the registry, those that are put aside among them; the place is its number."""
    report = Lint()
    with database.reading() as session:
        for row in session.execute(
            select(Row.id, Row.body).order_by(Row.id).execution_options(yield_per=500)
        ):
            report.judge(f"event {row.id}", row.body)
    return report


def lint_texts(texts: Iterable[tuple[str, bytes | str]]) -> Lint:
    """Every event of a file, each with its location.

    >>> lint_texts([("line 1", b"{")]).problems[0][0]
    'line 1'
    """
    report = Lint()
    for location, text in texts:
        report.judge(location, text)
    return report
