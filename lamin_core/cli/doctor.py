"""The command that checks this machine and the instance."""

from __future__ import annotations

import sys

import click

from lamin_core.cli import output
from lamin_core.cli.epilog import examples
from lamin_core.runtime.printable import printable

_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


@click.command(epilog=examples("lamin doctor", "lamin doctor --json"))
@output.as_json
def doctor(as_json: bool) -> None:
    """Check the installation, the database, the storage and the clocks.

    Exits with 1 when a check fails; each that is not ok says what to type.
    """
    from lamin_core.admin.doctor import examine

    findings = examine()
    if as_json:
        output.print_json([finding.as_dict() for finding in findings])
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            status = output.Styled(f"{finding.status:<8}", _COLOURS[finding.status])
            output.echo(status, f" {finding.check:<{width}}  {printable(finding.detail)}")
            if finding.hint is not None:
                output.echo(f"{'':<8} {'':<{width}}  hint: {printable(finding.hint)}")
    sys.exit(1 if any(finding.status == "failure" for finding in findings) else 0)
