"""The one place where what events tell is written: runs, jobs and datasets, from plain facts, however they came about.

Writing the same facts again changes nothing; writing fuller facts of the same run completes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from lamin_core.lineage import aliases, bindings, runs
from lamin_core.lineage.bindings import Edge
from lamin_core.lineage.datasets import Bytes, bytes_of, find_contents, find_series, known_series
from lamin_core.lineage.facts import Annotation, DatasetFacts, JobFacts, RunFacts
from lamin_core.lineage.schemas import find_schemas


def record(
    session: Session,
    told: Iterable[RunFacts],
    jobs: Iterable[JobFacts] = (),
    annotations: Sequence[Annotation] = (),
) -> None:
    """Write these with all that belongs to them; runs tracked by Python stay as Python says.

    `annotations` are what was said of datasets without a run.
    """
    told = list(told)
    ids, fresh = runs.write(session, told, jobs)
    mine = [facts for facts in told if facts.run_id in ids]
    datasets = [dataset for facts in mine for dataset in facts.datasets] + [one.dataset for one in annotations]
    if not datasets and not ids:
        return
    writer = _Writer(session, datasets)
    edges = [edge for facts in mine for edge in writer.edges(facts, ids[facts.run_id])]
    edges += [writer.annotation(one) for one in annotations]
    bindings.write(session, edges, set(ids.values()), fresh)


def learn_names(session: Session, pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Each pair is two paths of one dataset; the ids of runs that have to be recorded anew because of that."""
    renamed = aliases.learn(session, pairs)
    old = known_series(session, renamed)
    if not old:
        return set()
    new = find_series(session, {renamed[path] for path in old})
    return bindings.move(session, {series.id: new[renamed[path]].id for path, series in old.items()})


class _Writer:
    """Turns facts of datasets into edges, with what they refer to made beforehand, all at once."""

    def __init__(self, session: Session, datasets: Sequence[DatasetFacts]) -> None:
        self._series = find_series(session, {dataset.path for dataset in datasets})
        self._contents = find_contents(session, datasets)
        self._schemas = find_schemas(session, [d.traits.fields for d in datasets if d.traits and d.traits.fields])

    def edges(self, facts: RunFacts, run_id: int) -> list[Edge]:
        """The edges of a run, one for each dataset on each side."""
        told: dict[tuple[str, int], DatasetFacts] = {}
        for dataset in sorted(facts.datasets, key=_preference):
            told.setdefault((dataset.direction, self._series[dataset.path].id), dataset)
        uid = runs.run_uid(facts.run_id)
        return [self._edge(run_id, uid, dataset) for dataset in told.values()]

    def annotation(self, one: Annotation) -> Edge:
        """The edge of a description without a run."""
        edge = self._edge(None, one.event, one.dataset)
        edge.event_hash = one.event
        return edge

    def _edge(self, run_id: int | None, uid: str, dataset: DatasetFacts) -> Edge:
        content: Bytes | None = bytes_of(dataset)
        values = {
            "content_id": None if content is None else self._contents[content],
            "observed_at": dataset.at,
            "role": dataset.role,
            "facets": None if dataset.facets is None else dict(dataset.facets),
            "traits": self._traits(dataset),
        }
        return Edge(run_id, uid, dataset.direction, self._series[dataset.path], values)

    def _traits(self, dataset: DatasetFacts) -> dict[str, Any] | None:
        said = dataset.traits
        if said is None:
            return None
        traits = {
            "schema_id": None if said.fields is None else self._schemas[said.fields],
            "n_observations": said.n_observations,
            "description": said.description,
            "labels": None if said.labels is None else [list(label) for label in said.labels],
            "owner": said.owner,
            "real_key": said.real_key,
            "saved": said.saved,
        }
        return {name: value for name, value in traits.items() if value is not None} or None


def _preference(dataset: DatasetFacts) -> tuple[bool, Any, str]:
    """Of several mentions of one dataset the one that looked, then the first, then by name."""
    return dataset.hash is None, dataset.at, dataset.path
