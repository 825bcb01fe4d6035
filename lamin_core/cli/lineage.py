"""Commands that ask: lineage, runs, artifacts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from lamin_core.errors import InvalidArgument
from lamin_core.instance import connect
from lamin_core.lineage.graph import Graph
from lamin_core.lineage.tree import duration, printable, tree
from lamin_core.lineage.view import counts, view
from lamin_core.models import Artifact, Run

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")


@click.command()
@click.argument("name", metavar="[KEY|UID]", required=False)
@click.option("--up", type=click.IntRange(0), help="At most this many steps towards the sources.")
@click.option("--down", type=click.IntRange(0), help="At most this many steps towards what hangs on it.")
@click.option("--all", "everything", is_flag=True, help="The whole registry.")
@_JSON
def lineage(name: str | None, up: int | None, down: int | None, everything: bool, as_json: bool) -> None:
    """What made this artifact, or what this run did, back to the sources; and what hangs on it.

    A step is from an artifact to a run or back; --up and --down each limit their own way, 0 leaves it out. As text,
    the tree of what made it; with --down, also of what hangs on it. With --all as text, counts for each engine.
    """
    instance = connect()
    instance.lineage.find_lost()
    if everything or name is None:
        if not everything:
            raise InvalidArgument("name an artifact or a run, or ask for everything", hint="lamin lineage --all")
        graph = instance.lineage.everything()
        click.echo(json.dumps(view(graph)) if as_json else _table(counts(graph)))
        return
    record = instance.lineage.find(name)
    graph = instance.lineage.around(record, up=up, down=down)
    click.echo(json.dumps(view(graph)) if as_json else _trees(graph, record, up=up, down=down))


def _trees(graph: Graph, record: Artifact | Run, *, up: int | None, down: int | None) -> str:
    start = (type(record).__name__.lower(), record.id)
    upwards, downwards = tree(graph, start), tree(graph, start, downwards=True) if down else ""
    return "\n\n".join(part for part in (upwards if up != 0 or not down else "", downwards) if part)


@click.command()
@_JSON
def runs(as_json: bool) -> None:
    """All runs, the newest first."""
    instance = connect()
    instance.lineage.find_lost()
    graph = instance.lineage.everything()
    rows = _newest_first(view(graph)["runs"], "started_at")
    if as_json:
        click.echo(json.dumps(rows))
        return
    durations = _durations(graph)
    shown = [
        {
            "uid": row["uid"],
            "transform": row["transform_key"],
            "engine": row["engine"],
            "name": row["name"],
            "status": row["status"] + (" (cached)" if row["cached"] else ""),
            "started": (row["started_at"] or "")[:19],
            "took": durations.get(row["uid"], ""),
        }
        for row in rows
    ]
    click.echo(_table(shown))


def _durations(graph: Graph) -> dict[str, str]:
    nodes = graph.runs.values()
    return {node.uid: duration(node.duration) for node in nodes if node.duration is not None}


@click.command()
@_JSON
def artifacts(as_json: bool) -> None:
    """All versions of all artifacts, the newest first."""
    rows = list(reversed(view(connect().lineage.everything())["artifacts"]))
    if as_json:
        click.echo(json.dumps(rows))
        return
    shown = [
        {"uid": row["uid"], "key": row["key"], "size": row["size"], "hash": (row["hash"] or "")[:12]} for row in rows
    ]
    click.echo(_table(shown))


def _newest_first(rows: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row[field] or "", reverse=True)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Columns as wide as what is in them."""
    if not rows:
        return "nothing yet"
    names = list(rows[0])
    cells = [names, *([printable(str("" if row[n] is None else row[n])) for n in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )
