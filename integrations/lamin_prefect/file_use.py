"""The files of a run: which of its passed, declared, returned and opened files it has read, and which written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from lamin_core.enums import MANAGED
from lamin_core.runtime.fork_safe import ForkSafeLock
from lamin_core.runtime.paths import user_cache
from lamin_prefect.path_discovery import Copy
from openlineage.lamin.adapter.datasets import DatasetReader, Snapshot
from openlineage.lamin.adapter.watched_files import WatchedFiles
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name

# File servers have clocks of their own, and some know no fractions of a second.
_CLOCK_SLACK = 2_000_000_000
"""Nanoseconds."""

_LIMIT = 10_000
Identity = tuple[str, str, str | None]
"""Namespace, name and hash of a dataset."""


class RecordedStates:
    """The states of files at the time when a run that wrote them was recorded, until this process ends.

    A file that still stands so was not written by any run that names it later.
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._lock = ForkSafeLock()

    def remember(self, snapshot: Snapshot) -> None:
        """A run has written this."""
        with self._lock:
            self._snapshots[snapshot.dataset.name] = snapshot
            if len(self._snapshots) > _LIMIT:
                del self._snapshots[next(iter(self._snapshots))]

    def holds(self, snapshot: Snapshot) -> bool:
        """Whether a run that wrote exactly this is recorded."""
        earlier = self._snapshots.get(snapshot.dataset.name)
        return earlier is not None and not snapshot.is_rewritten(earlier)


reader = DatasetReader(user_cache() / "digests.db")
recorded_states = RecordedStates()


@dataclass(slots=True)
class FileUse:
    """The files of one run, while it is under way."""

    began: int
    """When the run began, in nanoseconds since 1970."""
    opened: WatchedFiles = field(default_factory=WatchedFiles)
    _passed: dict[str, Snapshot | None] = field(default_factory=dict)
    _passed_copies: dict[str, list[Copy]] = field(default_factory=dict)
    _returned_copies: dict[str, list[Copy]] = field(default_factory=dict)
    _inputs: list[Dataset] = field(default_factory=list)
    _outputs: dict[str, Snapshot] = field(default_factory=dict)
    _yielded: list[Snapshot] = field(default_factory=list)
    _to_look_at: list[str] = field(default_factory=list)
    read_inside: set[Identity] = field(default_factory=set)
    """The inputs of runs inside of this one."""
    written_inside: set[Identity] = field(default_factory=set)
    """The outputs of runs inside of this one."""

    @property
    def has_paths(self) -> bool:
        """Whether its end looks at files that are known by now."""
        return bool(self._passed or self._to_look_at) or not self.opened.is_empty

    @property
    def is_empty(self) -> bool:
        """Whether the run has used no file so far, as most tasks do."""
        has_files = self._inputs or self._outputs or self._yielded or self.has_paths
        return not has_files and not self.opened.may_have_forked

    def passed(self, paths: Iterable[str]) -> None:
        """The run begins with these among its arguments: its end decides whether it has read or written them."""
        for path in map(absolute, paths):
            if path not in self._passed:
                self._passed[path] = reader.snapshot(path)
        self.opened.expect(self._passed)

    def passed_artifacts(self, copies: Iterable[Copy]) -> None:
        """These are the artifacts among its arguments, whose copies have been passed."""
        self._passed_copies.update(_by_path(copies))

    @property
    def was_passed_copies(self) -> bool:
        """Whether the paths among its arguments do not say which artifacts they are."""
        return any(map(is_copy, self._passed))

    def read(self, paths: Iterable[str]) -> list[Dataset]:
        """The run reads these, as they are now."""
        datasets = [dataset for path in paths if (dataset := reader.at(path)) is not None]
        self._inputs += datasets
        return datasets

    def refer(self, datasets: list[Dataset]) -> list[Dataset]:
        """The run refers to these as its inputs."""
        self._inputs += datasets
        return datasets

    def has_written(self, path: str) -> bool:
        """Whether the run has written the file at this path by now."""
        try:
            changed = os.stat(path).st_mtime_ns
        except OSError:
            return False
        return changed >= self.began or self.opened.has_written(absolute(path))

    def wrote(self, paths: Iterable[str]) -> None:
        """The run writes these: its end looks at them."""
        self._to_look_at += map(absolute, paths)

    def yielded(self, paths: Iterable[str]) -> None:
        """The run gives these out, as they are now."""
        for path in map(absolute, paths):
            snapshot = reader.snapshot(path)
            if snapshot is not None and self._is_written_here(path, snapshot):
                self._yielded.append(snapshot)

    def returned(self, paths: Iterable[str], copies: Iterable[Copy] = ()) -> None:
        """The run ends with these in its result; `copies` are those of artifacts."""
        self._returned_copies.update(_by_path(copies))
        for path in map(absolute, paths):
            snapshot = reader.snapshot(path)
            if snapshot is not None and self._is_written_here(path, snapshot):
                self._outputs[path] = snapshot

    def outputs(self) -> list[Dataset]:
        """The outputs of the run; `published` if a run inside of it wrote them."""
        self.opened.collect()
        for path in self._to_look_at:
            snapshot = reader.snapshot(path)
            if snapshot is not None:
                self._outputs[path] = snapshot
        for path in self._passed:
            self._decide(path)
        datasets = [snapshot.dataset for snapshot in self._yielded]
        for path, snapshot in self._outputs.items():
            datasets += _meant(snapshot.dataset, self._returned_copies.get(path, ()))
        for snapshot in (*self._yielded, *self._outputs.values()):
            recorded_states.remember(snapshot)
        return list(dict.fromkeys(map(self._with_role, datasets)))

    def inputs(self, *, is_complete: bool) -> list[Dataset]:
        """The inputs of the run; call it after `outputs`.

        A file that it was passed and left as it was is an input. Of a file that it wrote, and of
        all files of a run that failed, which may not have come to its work, it must have been seen
        to read them.
        """
        datasets = list(self._inputs)
        for path, before in self._passed.items():
            if before is not None and self._is_input(path, before, is_complete):
                datasets += self._datasets_passed(path, before)
        return list(dict.fromkeys(datasets))

    def noticed(
        self, inputs: Iterable[Dataset], outputs: Iterable[Dataset], *, is_complete: bool
    ) -> tuple[list[Dataset], list[Dataset]]:
        """The other files that the run was observed to read and write; call it after `inputs`.

        What was passed, declared or returned, and what lies in such a folder, is known. So is what
        runs inside of this one wrote. A run that failed has written nothing.
        """
        declared = {dataset.name for dataset in (*inputs, *outputs) if dataset.namespace == "file"}
        declared.update(self._passed, map(absolute, self._to_look_at))
        read = [
            dataset
            for dataset in self.opened.inputs(reader)
            if not self._is_known(dataset, declared)
        ]
        written = []
        for snapshot in self.opened.outputs(reader) if is_complete else ():
            if not self._is_known(snapshot.dataset, declared):
                recorded_states.remember(snapshot)
                written.append(snapshot.dataset)
        return read, written

    def _is_known(self, dataset: Dataset, declared: set[str]) -> bool:
        folders = map(str, PurePath(dataset.name).parents)
        is_declared = dataset.name in declared or any(folder in declared for folder in folders)
        return is_declared or identity(dataset) in self.written_inside

    def _datasets_passed(self, path: str, before: Snapshot) -> list[Dataset]:
        return _meant(before.dataset, self._passed_copies.get(path, ()))

    def _is_input(self, path: str, before: Snapshot, is_complete: bool) -> bool:
        if self.opened.has_read(path):
            return True
        if not self.read_inside.isdisjoint(map(identity, self._datasets_passed(path, before))):
            return True
        if not is_complete or any(self._outputs_in(path)):
            return False
        return not any(self._written_inside_of(before))

    def _decide(self, path: str) -> None:
        """Count a path that was passed among the outputs if it was written, unless parts of it are outputs."""
        before, after = self._passed[path], reader.snapshot(path)
        if after is None or after.state is None or path in self._outputs:
            return
        if any(self._outputs_in(path)) or any(self._written_inside_of(after)):
            return
        if before is None or after.is_rewritten(before) or self.opened.has_written(path):
            self._outputs[path] = after

    def _is_written_here(self, path: str, snapshot: Snapshot) -> bool:
        """Whether something that the run gives out is its work, and not what was there before."""
        if snapshot.state is None or identity(snapshot.dataset) in self.written_inside:
            return True
        if snapshot.dataset in self._inputs:
            return False
        if self.opened.has_written(path):
            return True
        if path in self._passed:
            before = self._passed[path]
            return before is None or snapshot.is_rewritten(before)
        changed = max(entry[2] for entry in snapshot.state)
        return changed + _CLOCK_SLACK >= self.began and not recorded_states.holds(snapshot)

    def _outputs_in(self, path: str) -> Iterator[str]:
        return (output for output in self._outputs if f"{output}/".startswith(f"{path}/"))

    def _written_inside_of(self, folder: Snapshot) -> Iterator[str]:
        return (
            name
            for namespace, name, _ in self.written_inside
            if namespace == "file" and name.startswith(f"{folder.dataset.name}/")
        )

    def _with_role(self, dataset: Dataset) -> Dataset:
        return (
            replace(dataset, role="published")
            if identity(dataset) in self.written_inside
            else dataset
        )


def is_copy(path: str) -> bool:
    """Whether a registry keeps this as a copy."""
    return f"/{MANAGED}/" in path


def _by_path(copies: Iterable[Copy]) -> Mapping[str, list[Copy]]:
    by_path: dict[str, list[Copy]] = {}
    for copy in dict.fromkeys(copies):
        by_path.setdefault(absolute(copy.path), []).append(copy)
    return by_path


def _meant(dataset: Dataset, copies: Sequence[Copy]) -> list[Dataset]:
    """The dataset under the names of the artifacts that these copies are of; as it is, without any."""
    renamed = []
    for copy in copies:
        namespace, name = dataset_name(copy.name)
        real_key = None if dataset.hash is None else copy.real_key
        renamed.append(replace(dataset, namespace=namespace, name=name, real_key=real_key))
    return renamed or [dataset]


def identity(dataset: Dataset) -> Identity:
    """The key of this content at this path."""
    return dataset.namespace, dataset.name, dataset.hash


def absolute(path: str) -> str:
    """The path from the root; a URL as it is."""
    return path if "://" in path else os.path.abspath(path)
