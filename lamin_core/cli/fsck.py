"""The command that compares the registry with the files."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from lamin_core.cli import output
from lamin_core.cli.confirm import agreed
from lamin_core.cli.epilog import examples
from lamin_core.runtime.printable import printable

if TYPE_CHECKING:
    from lamin_core.admin.fsck import Report


@click.command(epilog=examples("lamin fsck --deep", "lamin fsck --repair --delete-orphans"))
@click.option("--deep", is_flag=True, help="Read every byte and compare it with the digest.")
@click.option("--repair", is_flag=True, help="Repair rows that the other tables can correct.")
@click.option(
    "--delete-orphans", is_flag=True, help="Remove copies that belong to no artifact; asks first."
)
@click.option(
    "--delete-damaged",
    is_flag=True,
    help="Remove copies whose bytes have changed; asks first.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=3600.0,
    show_default=True,
    help="Seconds after which a copy without an artifact is an orphan.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.as_json
def fsck(
    deep: bool,
    repair: bool,
    delete_orphans: bool,
    delete_damaged: bool,
    grace: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Check that every artifact has its bytes.

    Also check that every copy belongs to an artifact, and that the tables are consistent.

    Exits with 1 when something is wrong, and says what to type for each.
    """
    from lamin_core.admin import fsck as checks
    from lamin_core.instance.instance import connect

    instance = connect()
    if repair:
        output.echo(f"{checks.repair(instance)} problems mended", err=True)
    report = checks.check(instance, deep=deep, grace=grace)
    if delete_orphans and report.orphans and agreed(f"Remove {len(report.orphans)} files?", yes):
        output.echo(f"{checks.remove_orphans(report)} files removed", err=True)
        report = checks.check(instance, deep=deep, grace=grace)
    damaged = sum(problem.kind == "damaged" for problem in report.problems) if delete_damaged else 0
    if damaged and agreed(f"Remove the copies of {damaged} artifacts?", yes):
        output.echo(f"{checks.remove_damaged(report)} copies removed", err=True)
        report = checks.check(instance, deep=deep, grace=grace)
    if as_json:
        output.print_json(report.as_dict())
    else:
        _print(report)
    sys.exit(0 if report.is_clean else 1)


_SHOWN = 50
"""Problems of one kind as text: a storage that is not mounted misses every file."""


def _print(report: Report) -> None:
    seen: Counter[str] = Counter()
    for problem in report.problems:
        seen[problem.kind] += 1
        if seen[problem.kind] > _SHOWN:
            continue
        output.echo(output.Styled(problem.kind, "red"), ": ", printable(problem.what))
        output.echo(f"  hint: {printable(problem.hint)}")
    for kind, number in seen.items():
        if number > _SHOWN:
            output.echo(f"{kind}: {number - _SHOWN} more; --json has all of them", err=True)
    checked = ", ".join(f"{number} {what}" for what, number in sorted(report.checked.items()))
    verdict = f"{len(report.problems)} problems" if report.problems else "nothing wrong"
    output.echo(f"{verdict}; looked at {checked or 'nothing'}")
