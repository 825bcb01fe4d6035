"""The commands that query lineage: lineage, runs, artifacts, diff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lamin_core.cli import completers
from lamin_core.cli.annotated import annotated_artifacts, annotation_options
from lamin_core.cli.epilog import examples
from lamin_core.cli.output import (
    LIMIT,
    as_json,
    echo,
    local,
    print_json,
    print_table,
    there_is_more,
    time_option,
)
from lamin_core.cli.pictures import chosen_file, chosen_form, newest_nodes, picture_options, put_out
from lamin_core.cli.reconcile import reconcile
from lamin_core.cli.resolve import note_other_place
from lamin_core.cli.trees import print_lines
from lamin_core.enums import RunStatus
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import connect
from lamin_core.instance.lineage_service import LineageService, node_of
from lamin_core.lineage.listing import ListFilter
from lamin_core.lineage.resolve import only
from lamin_core.lineage.traversal import NODE_LIMIT
from lamin_core.lineage.view import artifact_view, counts, run_view
from lamin_core.models import Artifact, Run
from lamin_core.render.drawing import Lineage
from lamin_core.render.tree import tree_lines
from lamin_core.runtime.text import duration

_SHOWN = 50
"""The default number of rows in a table."""


@click.command(
    epilog=examples(
        "lamin lineage results/figure.png",
        "lamin lineage results/figure.png -o figure.svg",
        "lamin lineage results/figure.png --html figure.html",
        "lamin lineage raw/counts.csv --up 0 --down 20",
        "lamin lineage raw/counts.csv --to results/figure.png",
        "lamin lineage --run align.sh --mermaid",
        "lamin lineage results/figure.png --as-of 2026-03-01 --json",
    )
)
@click.argument("name", metavar="[KEY|UID]", required=False, shell_complete=completers.keys)
@click.option("--up", type=click.IntRange(0), help="Maximum number of steps upstream.")
@click.option("--down", type=click.IntRange(0), help="Maximum number of steps downstream.")
@click.option(
    *("--to", "other"),
    metavar="KEY|UID",
    shell_complete=completers.keys,
    help="Show only the paths between the two, in either direction.",
)
@click.option(
    "--run",
    metavar="RUN",
    shell_complete=completers.transforms,
    help="Lineage of a run: its uid, its OpenLineage run id, or the key of a transform for its newest run.",
)
@click.option(
    "--as-of",
    metavar="TIME",
    callback=time_option,
    help="Show what was known at this time: 2026-03-01T14:30, or an age such as 2h.",
)
@click.option(
    "--limit", type=LIMIT, default=NODE_LIMIT, help="Maximum number of nodes; the nearest are kept."
)
@click.option("--all", "everything", is_flag=True, help="Show the whole registry.")
@picture_options
@as_json
def lineage(
    name: str | None,
    up: int | None,
    down: int | None,
    other: str | None,
    run: str | None,
    as_of: datetime | None,
    limit: int,
    everything: bool,
    picture: str | None,
    html: Path | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Show the lineage of an artifact or a run.

    The name is a key, a path or a uid. The text is the tree of upstream runs and artifacts; with
    --down, also the downstream tree. For a run, it shows what the run read and wrote. With --all,
    it shows counts for each engine.

    A step leads from an artifact to a run, or from a run to an artifact. --up and --down limit the
    steps in their direction; 0 shows nothing in that direction.

    --svg, --dot and --mermaid print a picture. -o writes a file in the format of its suffix, and
    --html one page to mail. An artifact is marked `outdated` if an input of the run that made it has
    changed since.
    """
    instance = connect()
    instance.runs.find_lost()
    file = chosen_file(file, html)
    form = chosen_form(picture, file, as_json)
    title = f"Lineage of {name or run or 'the registry'}"
    if everything:
        graph = instance.lineage.everything(as_of=as_of)
        shown = Lineage.around(graph, newest_nodes(graph))
        if form == "text" and file is None:
            print_table(counts(graph))
        else:
            put_out(_remarked(instance.lineage, shown, form, as_of), form, file, title)
        return
    records = _named(instance.lineage, name, run, as_of)
    if other is None:
        down = _steps_down(records, down, form)
        around = instance.lineage.around(records, up=up, down=down, as_of=as_of, limit=limit)
        ends = list(records)
    else:
        source = only(records, name or run or "")
        target = only(_named(instance.lineage, other, None, as_of), other)
        graph = instance.lineage.between(source, target, as_of=as_of, limit=limit)
        around = Lineage.around(graph, [node_of(source), node_of(target)])
        ends = [source, target]
    around = _remarked(instance.lineage, around, form, as_of)
    if form != "text" or file is not None:
        put_out(around, form, file, title)
    elif other is None:
        _print_all_trees(around, ends, up=up, down=down)
    else:
        _print_paths(around, *ends)
    if around.truncated:
        echo(f"there is more than these {limit} nodes: --limit, --up, --down", err=True)


def _remarked(
    questions: LineageService, graph: Lineage, form: str, as_of: datetime | None
) -> Lineage:
    """The graph with remarks on what is outdated now; JSON has none, and the past neither."""
    return graph if form == "json" or as_of is not None else questions.remarked(graph)


def _named(
    questions: LineageService, name: str | None, run: str | None, as_of: datetime | None
) -> Sequence[Artifact | Run]:
    if (name is None) == (run is None):
        raise InvalidArgument(
            "name an artifact or a run, or ask for everything", hint="lamin lineage --all"
        )
    if name is None:
        return [questions.find_run(run or "")]
    match = questions.match(name, as_of=as_of)
    note_other_place(match)
    return match.records


def _steps_down(records: Sequence[Artifact | Run], down: int | None, form: str) -> int | None:
    """The text shows what hangs on an artifact only where that is asked for, and of a run what it wrote."""
    if down is not None or form != "text":
        return down
    return 1 if isinstance(records[0], Run) else 0


def _print_all_trees(
    graph: Lineage, records: Sequence[Artifact | Run], *, up: int | None, down: int | None
) -> None:
    for index, record in enumerate(records):
        if index:
            echo("")
        _print_trees(graph, record, up=up, down=down)


def _print_trees(
    graph: Lineage, record: Artifact | Run, *, up: int | None, down: int | None
) -> None:
    start = node_of(record)
    upwards = tree_lines(graph, start, remarks=graph.remarks)
    downwards = tree_lines(graph, start, downwards=True, remarks=graph.remarks)
    is_run = isinstance(record, Run)
    if not down:
        print_lines(graph, upwards)
        return
    if up == 0:
        print_lines(graph, downwards)
        return
    echo("What it read:" if is_run else "What made it:")
    print_lines(graph, upwards)
    echo("\nWhat it wrote:" if is_run else "\nWhat hangs on it:")
    print_lines(graph, downwards)


def _print_paths(graph: Lineage, record: Artifact | Run, target: Artifact | Run) -> None:
    if not graph.nodes:
        ends = " to ".join(_called(end) for end in (record, target))
        echo(f"nothing leads from {ends}, nor back")
        return
    # Both are on every path: the lower one is that whose tree reaches the other.
    trees = [
        list(tree_lines(graph, node_of(end), remarks=graph.remarks)) for end in (target, record)
    ]
    longest = max(trees, key=len)
    print_lines(graph, longest)


def _called(record: Artifact | Run) -> str:
    """The name and the uid."""
    if isinstance(record, Run):
        return f"run {record.uid}" if record.name is None else f"run {record.uid} ({record.name})"
    return record.uid if record.key is None else f"{record.key} ({record.uid})"


def _choices(command: Any) -> Any:
    """The options that `runs` and `artifacts` share."""
    for option in (
        click.option(
            "--limit",
            type=LIMIT,
            help=f"Maximum number of rows; by default {_SHOWN} as text, all as JSON.",
        ),
        click.option(
            "--since",
            metavar="TIME",
            callback=time_option,
            help="Only since this time: 2026-03-01, or an age such as 3d.",
        ),
        click.option(
            "--engine",
            shell_complete=completers.engines,
            help="Only of this engine: snakemake, nextflow, prefect, python ...",
        ),
    ):
        command = option(command)
    return command


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "lamin runs --status failed --since 2d",
        "lamin runs --engine snakemake --limit 500",
        "lamin runs --id 019ac5e2-6f0a-7c51-9a40-0d5a6cb9b1f3",
        "lamin runs reconcile",
    ),
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([str(run_status) for run_status in RunStatus]),
    help="Only with this status; can be repeated.",
)
@click.option(
    "--key",
    shell_complete=completers.transforms,
    help="Only runs whose transform has a key that starts with this.",
)
@click.option(
    "--id",
    "attempts_of",
    metavar="UUID",
    help="Only all attempts of the run with this id of its engine.",
)
@_choices
@as_json
@click.pass_context
def runs(
    context: click.Context,
    status: tuple[str, ...],
    key: str | None,
    attempts_of: str | None,
    engine: str | None,
    since: datetime | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List runs, the newest first."""
    if context.invoked_subcommand is not None:
        return
    instance = connect()
    instance.runs.find_lost()
    max_rows = limit or (None if as_json else _SHOWN)
    list_filter = ListFilter(
        status=status,
        engine=engine,
        key=key,
        attempts_of=attempts_of,
        since=since,
        limit=None if max_rows is None else max_rows + 1,
    )
    nodes, uids = instance.lineage.runs(list_filter)
    if as_json:
        print_json([run_view(node, uids) for node in nodes[:max_rows]])
        return
    rows = [
        {
            "uid": node.uid,
            "transform": node.transform_key,
            "engine": node.engine,
            "name": node.name,
            "attempt": node.attempt if node.attempt > 1 else None,
            "status": node.status + (" (cached)" if node.cached else ""),
            "started": None if node.started_at is None else local(node.started_at),
            "took": "" if node.duration is None else duration(node.duration),
        }
        for node in nodes
    ]
    is_filtered = bool(status or key or engine or since or attempts_of)
    _print_first(rows, max_rows, is_filtered=is_filtered)


runs.add_command(reconcile)


@click.command(
    epilog=examples(
        "lamin artifacts --key results/ --since 2026-03-01",
        'lamin artifacts --label raw --feature "temperature>20"',
        "lamin artifacts --trash",
        "lamin artifacts --json",
    )
)
@click.option("--key", shell_complete=completers.keys, help="Only keys that start with this.")
@annotation_options
@click.option(
    "--trash", is_flag=True, help="List the artifacts in the trash; lamin undelete restores them."
)
@_choices
@as_json
def artifacts(
    key: str | None,
    labels: tuple[str, ...],
    features: tuple[str, ...],
    projects: tuple[str, ...],
    trash: bool,
    engine: str | None,
    since: datetime | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List versions of artifacts, the newest first.

    An artifact must match all of --label, --feature and --project. A feature is compared with =, !=,
    <, <=, >, >= or ~ (contains); a feature without an operator matches any value.
    """
    max_rows = limit or (None if as_json else _SHOWN)
    connect()
    list_filter = ListFilter(
        engine=engine,
        key=key,
        since=since,
        limit=None if max_rows is None else max_rows + 1,
        within=annotated_artifacts(labels, features, projects, trash=trash),
    )
    shown = [artifact_view(node) for node in connect().lineage.artifacts(list_filter)]
    if as_json:
        print_json(shown[:max_rows])
        return
    _print_first(
        [
            {
                "uid": artifact["uid"],
                "key": artifact["key"],
                "size": artifact["size"],
                "hash": (artifact["hash"] or "")[:12],
            }
            for artifact in shown
        ],
        max_rows,
        is_filtered=bool(key or engine or since or list_filter.within is not None),
    )


def _print_first(rows: list[dict[str, Any]], limit: int | None, *, is_filtered: bool) -> None:
    """The table; one row more than the limit was asked for, so as to know whether there is more."""
    print_table(
        rows[:limit], nothing="nothing fits these options" if is_filtered else "nothing yet"
    )
    if limit is not None and len(rows) > limit:
        there_is_more(limit)


@click.command(epilog=examples("lamin diff aT8AlECy jr4MVlJR", "lamin diff aT8AlECy fit.py"))
@click.argument("first", metavar="RUN_A", shell_complete=completers.transforms)
@click.argument("second", metavar="RUN_B", shell_complete=completers.transforms)
@as_json
def diff(first: str, second: str, as_json: bool) -> None:
    """Show how the second run differs from the first.

    It compares params, code, environment, inputs, outputs, status, engine and duration.

    A run is given by its uid, its OpenLineage run id, or the key of its transform, which means its
    newest run.
    """
    difference = connect().lineage.diff(first, second)
    print_json(difference.view()) if as_json else echo(str(difference))


@click.command(epilog=examples("lamin why aT8AlECy", "lamin why Snakefile:merge"))
@click.argument("run", metavar="RUN", shell_complete=completers.transforms)
@as_json
def why(run: str, as_json: bool) -> None:
    """Show why a run was executed.

    It shows the reasons of the engine, and the differences to the previous run of the same work:
    code, params and inputs.

    A run is given by its uid, its OpenLineage run id, or the key of its transform, which means its
    newest run.
    """
    answer = connect().lineage.why(run)
    print_json(answer.view()) if as_json else echo(str(answer))
