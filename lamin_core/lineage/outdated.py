"""Which results are outdated: made from versions that other bytes have superseded since.

A result is the latest version of its series, and the last run that made it counts. It is outdated
when that run read a version that has a newer one with other bytes, or read another outdated result.
A run that read and wrote the same series, such as a counter, supersedes its own input: that does not
count. What was read as an unknown version does not count either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from lamin_core.lineage.graph import PUBLISHED, Graph
from lamin_core.lineage.traversal import dialect, ids, is_kept, parameter_values
from lamin_core.models import Artifact, Run, RunArtifact
from lamin_core.uids import VERSION_LENGTH


class Cause(NamedTuple):
    """An input that makes a result outdated, and its newest version; None where the input is itself outdated."""

    source: int
    newest: int | None


Causes = dict[int, list[Cause]]
"""By the primary key of the outdated artifact."""

_wrote, _read = aliased(RunArtifact), aliased(RunArtifact)
_result, _source, _newest = aliased(Artifact), aliased(Artifact), aliased(Artifact)


def outdated(session: Session, among: Collection[int] | None = None) -> Causes:
    """The outdated results, each with its causes; `among` these artifacts, by default of the whole registry.

    One statement for the superseded inputs, one for their makers, and two for each step downstream.
    """
    causes: Causes = {}
    candidates = session.execute(_superseded(session, among), _parameters(session, among)).all()
    while candidates:
        reached = _of_last_makers(session, [tuple(row) for row in candidates])
        new = [artifact for artifact in reached if artifact not in causes]
        for artifact, reasons in reached.items():
            causes.setdefault(artifact, []).extend(reasons)
        values = {**_parameters(session, among), "sources": ids(session, new)}
        candidates = session.execute(_readers(session, among), values).all() if new else []
        listed = {(artifact, cause.source) for artifact in causes for cause in causes[artifact]}
        candidates = [row for row in candidates if (row[0], row[2]) not in listed]
    return causes


def remarks(session: Session, graph: Graph) -> dict[int, str]:
    """A few words for each artifact of the graph that is outdated or has a newer version, for trees and pictures."""
    words = {}
    for identity, newest in _newer_versions(session, graph.artifacts).items():
        words[identity] = f"newer: v{newest}"
    causes = outdated(session, graph.artifacts)
    names = _names(session, {cause.source for reasons in causes.values() for cause in reasons})
    for identity, reasons in causes.items():
        shown = ", ".join(dict.fromkeys(names[cause.source] for cause in reasons))
        words[identity] = f"outdated: {shown}"
    return words


def _names(session: Session, artifacts: Collection[int]) -> dict[int, str]:
    """The name of each, without its folder."""
    chosen = Artifact.id.in_(parameter_values(dialect(session), "artifacts"))
    query = select(Artifact.id, Artifact.key, Artifact.uid).where(chosen)
    rows = session.execute(query, {"artifacts": ids(session, artifacts)})
    return {row[0]: (row[1] or row[2]).rpartition("/")[2] for row in rows}


def _parameters(session: Session, among: Collection[int] | None) -> dict[str, Any]:
    return {} if among is None else {"results": ids(session, among)}


def _superseded(session: Session, among: Collection[int] | None) -> Select[Any]:
    """Rows of result, run, source and newest version."""
    own = aliased(RunArtifact)
    is_own = select(own.id).where(
        own.run_id == _wrote.run_id, own.direction == "output", own.artifact_id == _newest.id
    )
    query = _results(session, among).add_columns(_newest.id)
    return query.join(_newest, _newest.series_id == _source.series_id).where(
        _newest.is_latest,
        _newest.id != _source.id,
        _source.content_id.is_not(None),
        _newest.content_id.is_distinct_from(_source.content_id),
        ~is_own.exists(),
    )


def _readers(session: Session, among: Collection[int] | None) -> Select[Any]:
    """The same for results of runs that read one of the `sources`."""
    sources = parameter_values(dialect(session), "sources")
    return _results(session, among).where(_source.id.in_(sources))


def _results(session: Session, among: Collection[int] | None) -> Select[Any]:
    query = (
        select(_result.id, _wrote.run_id, _source.id)
        .select_from(_source)
        .join(_read, _read.artifact_id == _source.id)
        .join(_wrote, _wrote.run_id == _read.run_id)
        .join(_result, _result.id == _wrote.artifact_id)
        .where(
            _read.direction == "input",
            _wrote.direction == "output",
            is_kept(_wrote),
            _result.is_latest,
            _result.series_id != _source.series_id,
        )
    )
    if among is None:
        return query
    return query.where(_result.id.in_(parameter_values(dialect(session), "results")))


def _of_last_makers(session: Session, rows: Iterable[tuple[Any, ...]]) -> Causes:
    """The causes of those rows whose run is the last that made the result."""
    rows = list(rows)
    last = _last_makers(session, {row[0] for row in rows})
    causes: defaultdict[int, list[Cause]] = defaultdict(list)
    for artifact, run, source, *newest in rows:
        if last.get(artifact) == run:
            causes[artifact].append(Cause(source, newest[0] if newest else None))
    return dict(causes)


def _last_makers(session: Session, artifacts: Collection[int]) -> Mapping[int, int]:
    """The last run that made each artifact; a run that only passed it on counts where no other run made it."""
    query = (
        select(RunArtifact.artifact_id, RunArtifact.run_id)
        .join(Run, Run.id == RunArtifact.run_id)
        .where(
            RunArtifact.artifact_id.in_(parameter_values(dialect(session), "artifacts")),
            RunArtifact.direction == "output",
            is_kept(RunArtifact),
        )
        .order_by(
            RunArtifact.role.is_distinct_from(PUBLISHED),
            Run.started_at.is_not(None),
            Run.started_at,
            Run.id,
        )
    )
    rows = session.execute(query, {"artifacts": ids(session, artifacts)})
    return {row[0]: row[1] for row in rows}


def _newer_versions(session: Session, artifacts: Collection[int]) -> dict[int, str]:
    """The latest version of each artifact that is not the latest of its series itself."""
    query = (
        select(_source.id, _newest.uid)
        .join(_newest, _newest.series_id == _source.series_id)
        .where(
            _source.id.in_(parameter_values(dialect(session), "artifacts")),
            ~_source.is_latest,
            _newest.is_latest,
            _newest.number > _source.number,
        )
    )
    rows = session.execute(query, {"artifacts": ids(session, artifacts)})
    return {identity: uid[-VERSION_LENGTH:] for identity, uid in rows}
