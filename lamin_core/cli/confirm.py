"""Ask for confirmation before a change that cannot be undone."""

from __future__ import annotations

import click

from lamin_core.cli.output import is_interactive
from lamin_core.errors import InvalidArgument


def agreed(question: str, yes: bool) -> bool:
    """Whether the user agrees: by `--yes`, or by answering on the terminal.

    Raises `InvalidArgument` where nobody can be asked.
    """
    if yes:
        return True
    if not is_interactive():
        raise InvalidArgument(
            f"{question} Nobody can be asked here: this is not a terminal", hint="pass --yes"
        )
    return click.confirm(question, default=False, err=True)
