"""The one place that writes the facts of events: runs, jobs and datasets, independent of where the facts come from.

Writing the same facts again changes nothing; writing fuller facts of the same run completes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy.orm import Session

from lamin_core.ingest import aliases, declared_jobs, runs
from lamin_core.ingest.datasets import (
    Bytes,
    Series,
    bytes_of,
    find_contents,
    find_series,
    known_series,
)
from lamin_core.ingest.deleted import deleted_runs
from lamin_core.ingest.edges import Edge
from lamin_core.ingest.edges import move as move_edges
from lamin_core.ingest.edges import write as write_edges
from lamin_core.ingest.environments import tie_environments
from lamin_core.ingest.facts import (
    Annotation,
    DatasetFacts,
    Fields,
    JobFacts,
    ReadJob,
    RunFacts,
    nothing_said,
)
from lamin_core.ingest.features import tie_features
from lamin_core.ingest.labels import label_runs
from lamin_core.ingest.relocation import (
    moves_of,
    present_annotation,
    present_job,
    present_name,
    present_run,
)
from lamin_core.ingest.schemas import find_schemas
from lamin_core.ingest.shared_copies import names_of_copies, with_names
from lamin_core.models import Run


def record(
    session: Session,
    reported_runs: Iterable[RunFacts],
    jobs: Sequence[JobFacts] = (),
    annotations: Sequence[Annotation] = (),
    written: Mapping[str, RunFacts] = MappingProxyType({}),
    read_job: ReadJob = nothing_said,
) -> None:
    """Write these with all that belongs to them; runs tracked by Python stay as Python says.

    `annotations` are what was said of datasets without a run. `written` is what the registry says
    already, by run id, of some of these runs: what has not changed since is not looked at again.
    `read_job` reads what was said of a job, which the registry keeps as it was said.
    """
    reported_runs = list(reported_runs)
    removed = deleted_runs(session, {facts.run_id for facts in reported_runs})
    reported_runs = [facts for facts in reported_runs if facts.run_id not in removed]
    moves = moves_of(session)
    if moves:
        reported_runs = [present_run(facts, moves) for facts in reported_runs]
        jobs = [present_job(job, moves) for job in jobs]
        annotations = [present_annotation(annotation, moves) for annotation in annotations]
        written = {run: present_run(facts, moves) for run, facts in written.items()}
    ids, new_run_ids = runs.write(session, reported_runs, jobs, written, read_job)
    mine = [facts for facts in reported_runs if facts.run_id in ids]
    readers = [facts for facts in mine if facts.copies_read]
    if readers and (names := names_of_copies(session, readers, ids)):
        mine = [with_names(facts, names.get(facts.run_id, {})) for facts in mine]
        written = {run: with_names(facts, names.get(run, {})) for run, facts in written.items()}
    paths = {dataset.path for facts in mine for dataset in facts.datasets} | {
        annotation.dataset.path for annotation in annotations
    }
    paths |= {path for job in jobs for _, path in job.datasets}
    if not paths and not ids:
        return
    if labels := _changed("labels", mine, ids, new_run_ids, written):
        label_runs(session, labels)
    if environments := _changed("environment", mine, ids, new_run_ids, written):
        tie_environments(session, environments)
    if values := _changed("features", mine, ids, new_run_ids, written):
        tie_features(session, Run, values)
    series = find_series(session, paths)
    declared_jobs.write_datasets(session, jobs, series)
    news = [
        _edge_delta(
            facts, None if ids[facts.run_id] in new_run_ids else written.get(facts.run_id), series
        )
        for facts in mine
    ]
    datasets = [dataset for delta in news for dataset in delta.datasets] + [
        annotation.dataset for annotation in annotations
    ]
    schemas = {fields for facts in mine for fields in facts.schemas}
    schemas -= {
        fields
        for facts in mine
        if facts.run_id in written
        for fields in written[facts.run_id].schemas
    }
    writer = _Writer(session, series, datasets, schemas)
    edges = []
    for delta in news:
        edges += writer.edges(ids[delta.run_id], runs.run_uid(delta.run_id), delta)
    edges += [writer.annotation(annotation) for annotation in annotations]
    write_edges(
        session,
        edges,
        {ids[delta.run_id] for delta in news if delta.whole},
        new_run_ids,
        writer.folders,
    )


def _changed(
    name: Literal["labels", "features", "environment"],
    facts_of_runs: Iterable[RunFacts],
    ids: Mapping[str, int],
    new_ids: Collection[int],
    recorded: Mapping[str, RunFacts],
) -> dict[int, Any]:
    """This field of each run of which the registry may say something else, by primary key."""
    changed = {}
    for facts in facts_of_runs:
        identity, values = ids[facts.run_id], getattr(facts, name)
        is_unsaid = identity in new_ids and not values
        previous = recorded.get(facts.run_id)
        is_written = previous is not None and getattr(previous, name) == values
        if not (is_unsaid or (identity not in new_ids and is_written)):
            changed[identity] = values
    return changed


def learn_names(session: Session, pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Record pairs of paths of one dataset; return the ids of runs that must be recorded again because of them."""
    moves = moves_of(session)
    renamed = aliases.learn(
        session, [(present_name(path, moves), present_name(name, moves)) for path, name in pairs]
    )
    old = known_series(session, renamed)
    if not old:
        return set()
    new = find_series(session, {renamed[path] for path in old})
    moved = {series.id: new[renamed[path]].id for path, series in old.items()}
    declared_jobs.move_datasets(session, moved)
    return move_edges(session, moved)


@dataclass(frozen=True, slots=True)
class _EdgeDelta:
    """The datasets of a run that are to be written, one for each series on each side: all, or those that are new."""

    run_id: str
    datasets: tuple[DatasetFacts, ...]
    whole: bool
    written_at: Mapping[int, datetime]
    """When the run wrote each series, by its primary key."""


def _edge_delta(
    facts: RunFacts, written: RunFacts | None, series: Mapping[str, Series]
) -> _EdgeDelta:
    datasets = _chosen(facts, series)
    written_at = {
        series_id: dataset.at
        for (direction, series_id), dataset in datasets.items()
        if direction == "output"
    }
    whole = _EdgeDelta(facts.run_id, tuple(datasets.values()), True, written_at)
    if written is None or any(dataset.path not in series for dataset in written.datasets):
        return whole
    recorded = _chosen(written, series)
    if any(datasets.get(key) != dataset for key, dataset in recorded.items()):
        return whole
    new = tuple(dataset for key, dataset in datasets.items() if key not in recorded)
    return _EdgeDelta(facts.run_id, new, False, written_at)


def _chosen(facts: RunFacts, series: Mapping[str, Series]) -> dict[tuple[str, int], DatasetFacts]:
    """One for each series on each side."""
    datasets: dict[tuple[str, int], DatasetFacts] = {}
    for dataset in sorted(facts.datasets, key=_preference):
        datasets.setdefault((dataset.direction, series[dataset.path].id), dataset)
    return datasets


class _Writer:
    """Turns facts of datasets into edges, with what they refer to made beforehand, all at once."""

    def __init__(
        self,
        session: Session,
        series: Mapping[str, Series],
        datasets: Sequence[DatasetFacts],
        schemas: Collection[Fields],
    ) -> None:
        self._series = series
        self._contents = find_contents(session, datasets)
        self.folders = {
            content_row.id: content_row.n_files
            for content_row in self._contents.values()
            if content_row.n_files is not None
        }
        used = {
            dataset.traits.fields
            for dataset in datasets
            if dataset.traits and dataset.traits.fields
        }
        used.update(schemas)
        self._schemas = find_schemas(session, used) if used else {}

    def annotation(self, annotation: Annotation) -> Edge:
        """The edge of a description without a run."""
        edge = self.edge(None, annotation.event, annotation.dataset)
        edge.event_hash = annotation.event
        return edge

    def edges(self, run_id: int, uid: str, delta: _EdgeDelta) -> list[Edge]:
        """The edges of a run that are to be written."""
        edges = [self.edge(run_id, uid, dataset) for dataset in delta.datasets]
        for edge in edges:
            edge.own_write = delta.written_at.get(edge.series.id)
        return edges

    def edge(self, run_id: int | None, uid: str, dataset: DatasetFacts) -> Edge:
        """The edge between a run and a dataset."""
        content: Bytes | None = bytes_of(dataset)
        values = {
            "content_id": None if content is None else self._contents[content].id,
            "observed_at": dataset.at,
            "role": dataset.role,
            "facets": None if dataset.facets is None else dict(dataset.facets),
            "traits": self._traits(dataset),
        }
        return Edge(run_id, uid, dataset.direction, self._series[dataset.path], values)

    def _traits(self, dataset: DatasetFacts) -> dict[str, object] | None:
        reported = dataset.traits
        if reported is None:
            return None
        traits = {
            "schema_id": None if reported.fields is None else self._schemas[reported.fields],
            "checked_schema": reported.checked_schema,
            "n_observations": reported.n_observations,
            "description": reported.description,
            "labels": None
            if reported.labels is None
            else [list(label) for label in reported.labels],
            "owner": reported.owner,
            "features": None if reported.features is None else dict(reported.features),
            "real_key": reported.real_key,
            "saved": reported.saved,
        }
        return {name: value for name, value in traits.items() if value is not None} or None


def _preference(dataset: DatasetFacts) -> tuple[bool, Any, str]:
    """The sort key of several mentions of a dataset: first those with a content, then the first, then by name."""
    return dataset.hash is None, dataset.at, dataset.path
