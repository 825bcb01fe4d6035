"""`lamin import SOURCE` imports what other programs recorded; each source is a command of its own package."""

from __future__ import annotations

import importlib
from functools import cache

import click
from click.shell_completion import CompletionItem

from lamin_core.cli import errors
from lamin_core.cli.epilog import examples
from lamin_core.cli.summary import summary

_OWN = {"samplesheet": "lamin_core.cli.samplesheets:samplesheet"}
_TABLES = (".csv", ".tsv")


class Sources(click.Group):
    """Sources are imported when they are called; engines add theirs by the entry point `lamin_core.importers`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all sources."""
        return sorted(_sources())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of this source; None if there is none."""
        home = _sources().get(cmd_name)
        if home is None:
            return None
        module, _, name = home.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command; a table is a samplesheet. The error for an unknown source names the nearest."""
        name = args[0]
        if name.lower().endswith(_TABLES) and name not in _sources():
            return super().resolve_command(ctx, ["samplesheet", *args])
        if name in _sources() or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        hint = (
            errors.near(name, sorted(_sources()))
            or f"Sources are: {', '.join(sorted(_sources()))}."
        )
        raise click.UsageError(f"No such source {name!r}. {hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line for each source, without importing it."""
        rows = [(name, summary(home)) for name, home in sorted(_sources().items())]
        if rows:
            with formatter.section("Sources"):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of sources, without importing them, then options."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=summary(_sources()[name])) for name in names), *options]


@cache
def _sources() -> dict[str, str]:
    import importlib.metadata

    points = importlib.metadata.entry_points(group="lamin_core.importers")
    return _OWN | {point.name: point.value for point in points}


@click.group(
    "import",
    cls=Sources,
    subcommand_metavar="SOURCE ...",
    epilog=examples(
        "lamin import snakemake .", "lamin import nextflow .", "lamin import samplesheet.csv"
    ),
)
def import_() -> None:
    """Import runs and files that other programs recorded.

    Each source has options of its own: lamin import SOURCE --help. Importing the same thing again
    changes nothing.
    """
