"""`lamin import nextflow`: import finished runs of Nextflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from lamin_core.cli import output
from lamin_core.cli.epilog import examples


@click.command(
    short_help="Finished runs of Nextflow.",
    epilog=examples(
        "lamin import nextflow .",
        "lamin import nextflow results/pipeline_info/execution_trace.txt --run mad_euler",
        "lamin import nextflow old/.lineage --dry-run",
    ),
)
@click.argument("source", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--run", "names", multiple=True, help="Import only the run with this name; can be repeated."
)
@click.option(
    "--work-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The work folder, if it was moved.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="A further folder with published files; can be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Show the runs without recording them.")
@output.as_json
def nextflow(
    source: Path,
    names: Sequence[str],
    work_dir: Path | None,
    results: Sequence[Path],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import finished runs of Nextflow: pipeline, tasks and files.

    SOURCE is the folder in which nextflow was started (by default this one), a lineage store
    (.lineage), a trace file, or an ro-crate-metadata.json of nf-prov. Runs that the observer or an
    earlier import has recorded are not changed.
    """
    from lamin_nextflow.finished.contents import Contents
    from lamin_nextflow.finished.importing import imported
    from lamin_nextflow.finished.sources import finished_runs

    read = Contents().read
    runs = finished_runs(source, read, work_dir, results)
    chosen = [run for run in runs if not names or run.name in names]
    _check_names(names, [run.name for run in runs])
    rows = [result.as_dict() for result in imported(chosen, read, dry_run=dry_run)]
    if as_json:
        output.print_json(rows)
        return
    for line in _lines(rows, dry_run):
        output.echo(line)


def _check_names(names: Sequence[str], present: Sequence[str]) -> None:
    from lamin_core.errors import NotFound

    for name in names:
        if name not in present:
            raise NotFound(f"no run {name!r} is recorded there", hint=f"runs: {', '.join(present)}")


def _lines(rows: Sequence[dict[str, Any]], dry_run: bool) -> Iterator[str]:
    for row in rows:
        tasks = f"{row['tasks']} task{'' if row['tasks'] == 1 else 's'}"
        if dry_run:
            outcome = "would be imported"
        elif row["imported"]:
            outcome = "imported"
        else:
            outcome = "recorded already"
        gaps = f", {row['gaps']} gaps: see its details" if row["gaps"] and row["imported"] else ""
        yield f"{row['run']} · {row['pipeline']} · {row['status']} · {tasks} · {outcome}{gaps}"
