"""Copies that several artifacts with equal bytes share: find the artifact that a run has read through such a copy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in
from lamin_core.ingest.datasets import roots
from lamin_core.ingest.facts import RunFacts
from lamin_core.models import Artifact, ArtifactSeries, Run, RunArtifact
from lamin_core.storage.locations import locate

Names = Mapping[str, str]
"""For paths of copies, the paths of single artifacts that replace them."""


@dataclass(slots=True)
class _Candidates:
    """The artifacts that share a copy, as series by the path of their key; the oldest first."""

    series_ids: dict[str, int] = field(default_factory=dict)

    def choose(self, written: set[int], read: set[int]) -> str:
        """Return the path of the artifact that was read, from the outputs and the observed inputs of the run."""
        paths = [path for path, series in self.series_ids.items() if series not in written]
        seen = [path for path in paths if self.series_ids[path] in read]
        return seen[-1] if seen else (paths or list(self.series_ids))[0]


def names_of_copies(
    session: Session, runs: Sequence[RunFacts], ids: Mapping[str, int]
) -> dict[str, Names]:
    """Return the artifacts that these runs have read through shared copies, by run id.

    None that the run has written itself. Of the others the newest that it, or the run above it, has
    opened by the Python API; else the oldest, whose bytes they are. `ids` are primary keys by run
    id. No statement where no run names a copy.
    """
    copies = {facts.run_id: facts.copies_read for facts in runs}
    candidates = _candidates(session, {path for paths in copies.values() for path in paths})
    if not candidates:
        return {}
    readers = {run: [p for p in paths if p in candidates] for run, paths in copies.items()}
    edges = _Edges(session, {ids[run] for run, paths in readers.items() if paths})
    names: dict[str, Names] = {}
    for run, paths in readers.items():
        written, read = edges.of(ids[run])
        names[run] = {path: candidates[path].choose(written, read) for path in paths}
    return names


def with_names(facts: RunFacts, names: Names) -> RunFacts:
    """The same facts, with these names for the inputs of the run."""
    if not names:
        return facts
    datasets = tuple(
        replace(dataset, path=names.get(dataset.path, dataset.path))
        if dataset.direction == "input"
        else dataset
        for dataset in facts.datasets
    )
    return replace(facts, datasets=datasets)


def _candidates(session: Session, paths: Iterable[str]) -> dict[str, _Candidates]:
    """The artifacts of each path that several artifacts share."""
    paths = sorted(paths)
    if not paths:
        return {}
    storage_roots = roots(session)
    locations = {path: locate(path, storage_roots) for path in paths}
    path_of = {
        (location.root.id, location.key): path
        for path, location in locations.items()
        if location.root is not None
    }
    candidates: defaultdict[str, _Candidates] = defaultdict(_Candidates)
    for row in select_in(session, _SHARING, Artifact.real_key, {key for _, key in path_of}):
        path = path_of.get((row.storage_id, row.real_key))
        if path is not None:
            name = path.removesuffix(row.real_key) + row.key
            candidates[path].series_ids.setdefault(name, row.series_id)
    return {path: shared for path, shared in candidates.items() if len(shared.series_ids) > 1}


_SHARING = (
    select(Artifact.storage_id, Artifact.real_key, Artifact.series_id, ArtifactSeries.key)
    .join(ArtifactSeries, ArtifactSeries.id == Artifact.series_id)
    .where(ArtifactSeries.key.is_not(None), ArtifactSeries.storage_id == Artifact.storage_id)
    .order_by(Artifact.created_at, Artifact.id)
)


class _Edges:
    """The inputs and outputs of these runs and their parents that the Python API recorded."""

    def __init__(self, session: Session, runs: set[int]) -> None:
        rows = select_in(session, select(Run.id, Run.parent_id), Run.id, runs)
        self._parents = {row.id: row.parent_id for row in rows}
        self._series: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
        all_runs = runs | {parent for parent in self._parents.values() if parent is not None}
        for row in select_in(session, _BY_API, RunArtifact.run_id, all_runs):
            self._series[row.run_id, row.direction].add(row.series_id)

    def of(self, run: int) -> tuple[set[int], set[int]]:
        """The series of the run's outputs, and of the inputs of the run or its parent."""
        above = self._parents.get(run)
        read = self._series[run, "input"]
        if above is not None:
            read = read | self._series[above, "input"]
        return self._series[run, "output"], read


_BY_API = select(RunArtifact.run_id, RunArtifact.series_id, RunArtifact.direction).where(
    RunArtifact.origin == "api"
)
