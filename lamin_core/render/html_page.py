"""Lineage as one HTML file to mail or to store: the view and two tables; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lamin_core.lineage.view import path_of
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.render.drawing import Lineage
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration
from lamin_core.uids import VERSION_LENGTH


def html_page(graph: Lineage, title: str) -> str:
    """Return the graph as one self-contained page; every text in it is escaped.

    >>> from lamin_core.lineage.graph import Graph
    >>> "<h1>&lt;b&gt;</h1>" in html_page(Lineage.around(Graph(), []), "<b>")
    True
    """
    runs = [node for node in graph.runs.values() if not node.is_declared]
    artifact_rows = [
        (path_of(node), node.uid[-VERSION_LENGTH:], _size(node.size), node.hash or "", graph.remarks.get(key, ""))
        for key, node in graph.artifacts.items()
    ]  # fmt: skip
    run_rows = []
    for run in runs:
        began = "" if run.started_at is None else run.started_at.isoformat(timespec="seconds")
        took = "" if run.duration is None else duration(run.duration)
        status = f"{run.status} (cached)" if run.cached else run.status
        run_rows.append(
            (run.transform_key, run.uid, run.engine, status, began, took, run.error or "")
        )
    tables = [
        _table("Artifacts", ("path", "version", "bytes", "hash", ""), artifact_rows),
        _table("Runs", ("of", "uid", "engine", "status", "began", "took", "error"), run_rows),
    ]
    return graph.page(title, "\n".join(tables))


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    lines = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<h2>{title}</h2>\n<table><thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>"
    )


def _size(size: int | None) -> str:
    return "" if size is None or size == UNKNOWN_SIZE else f"{size:,}"


def _text(value: str) -> str:
    return escape(printable(value)).encode("utf-8", "replace").decode()
