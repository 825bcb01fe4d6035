"""Published files without a record: files in the result folders with the content of a task's output."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from lamin_nextflow.finished.contents import Reader
from lamin_nextflow.finished.facts import FinishedFile, FinishedRun, FinishedTask

_NAMES = ("outdir", "outDir", "output", "output_dir", "outputDir", "publish_dir", "publishDir")
_SLACK = timedelta(seconds=2)
_INNER = {"work", ".nextflow", ".lineage", ".lamin", ".git"}


def result_folders(run: FinishedRun, extra: Iterable[Path]) -> list[Path]:
    """Return where a run may have published: the folders that its parameters and the user name, and `results`."""
    launch = Path(str(run.details.get("launch_dir", ".")))
    named = [str(run.params[name]) for name in _NAMES if isinstance(run.params.get(name), str)]
    folders = [launch / name for name in (*named, "results") if "://" not in name]
    return [folder for folder in dict.fromkeys([*folders, *extra]) if folder.is_dir()]


def with_published(run: FinishedRun, folders: Iterable[Path], read: Reader) -> FinishedRun:
    """Return the run with the files in these folders among what its tasks published.

    A file or folder belongs to the task whose output it is a link to, or whose output of the same
    size holds the same bytes: of several such tasks to the one whose output has its name, else to
    none. Outputs that lie in no work folder any more are looked for by name and time.
    """
    folders = list(folders)
    moved = _elsewhere(run, _paths(folders))
    stored = _elsewhere(run, _staged(run))
    run = replace(run, tasks=tuple(_with_present(task, moved, stored) for task in run.tasks))
    makers = _Makers(run, read)
    published: dict[str, list[FinishedFile]] = defaultdict(list)
    for path in _unclaimed(folders, makers, published):
        maker = makers.of_content(path)
        if maker is not None:
            published[maker].append(FinishedFile(path))
    tasks = []
    for task in run.tasks:
        extra = [file for file in published[task.hash] if file not in task.published]
        tasks.append(replace(task, published=(*task.published, *extra)))
    return replace(run, tasks=tuple(tasks))


def _with_present(
    task: FinishedTask, moved: Mapping[str, str], stored: Mapping[str, str]
) -> FinishedTask:
    """The task with the outputs that are somewhere: optional ones were never made.

    What publishing has moved is still an output of the work folder; what a `storeDir` holds was never in one.
    """
    outputs = []
    for file in task.outputs:
        if file.path in moved:
            outputs.append(replace(file, copies=(moved[file.path],)))
        elif file.path in stored:
            outputs.append(replace(file, path=stored[file.path]))
        elif os.path.lexists(file.path):
            outputs.append(file)
    return replace(task, outputs=tuple(outputs))


def _unclaimed(
    folders: Iterable[Path], makers: _Makers, published: dict[str, list[FinishedFile]]
) -> list[str]:
    """The files that are neither links nor in a folder published as a whole; the others go to `published`."""
    unclaimed = []
    for folder in folders:
        for root, names, files in os.walk(folder):
            inner = set(names) - _INNER
            names.clear()
            for name in sorted(inner | set(files)):
                path = os.path.join(root, name)
                maker = makers.of(path)
                if maker is not None:
                    published[maker].append(FinishedFile(path))
                elif name in inner:
                    names.append(name)
                else:
                    unclaimed.append(path)
    return unclaimed


def _paths(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        for root, names, files in os.walk(folder):
            names[:] = sorted(set(names) - _INNER)
            yield from (os.path.join(root, name) for name in (*sorted(files), *names))


class _Makers:
    """The task that made the file at a path."""

    def __init__(self, run: FinishedRun, read: Reader) -> None:
        self._read = read
        self._ended = run.ended
        self._tasks = {task.hash: task for task in run.tasks}
        self._outputs: dict[str, str] = {}
        self._alike: dict[object, list[tuple[str, FinishedFile]]] = defaultdict(list)
        for task in run.tasks:
            for file in task.outputs:
                path = next(iter(file.copies), file.path)
                self._outputs.setdefault(os.path.realpath(path), task.hash)
                self._alike[_kind(path)].append((task.hash, file))

    def of(self, path: str) -> str | None:
        """The task whose output is this file, under any name or link, or is a folder with a copy of it."""
        task = self._outputs.get(os.path.realpath(path))
        if task is not None:
            return task
        if os.path.isdir(path):
            return self.of_content(path)
        candidates = self._alike.get(_kind(path), [])
        return _only([(task, file) for task, file in candidates if _is_one_file(file.path, path)])

    def of_content(self, path: str) -> str | None:
        """The task whose output holds the same bytes; None where more than one can be it."""
        candidates = self._alike.get(_kind(path), [])
        same = [(task, file) for task, file in candidates if self._is_same(task, file, path)]
        name = os.path.basename(path)
        of_name = [(task, file) for task, file in same if os.path.basename(file.path) == name]
        if _written(path) > (self._ended + _SLACK).timestamp():  # by another run, or by hand
            return _only(of_name)
        return _only(same) or _only(of_name)

    def _is_same(self, task_hash: str, file: FinishedFile, path: str) -> bool:
        task = self._tasks[task_hash]
        if not task.cached and _written(path) < (task.submitted - _SLACK).timestamp():
            return False
        own, other = self._read(file, None)[0].hash, self._read(FinishedFile(path), None)[0].hash
        return own is not None and own == other


def _written(path: str) -> float:
    """The time at which a file was published, in seconds since 1970; of a link, the time of the link itself."""
    return os.lstat(path).st_mtime


def _is_one_file(first: str, second: str) -> bool:
    """Whether two names are of one file, as `mode: 'link'` makes them."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


def _only(pairs: list[tuple[str, FinishedFile]]) -> str | None:
    tasks = {task for task, _ in pairs}
    return tasks.pop() if len(tasks) == 1 else None


def _kind(path: str) -> object:
    """A property that a copy shares with its source, without reading bytes: a folder its name, a file its size."""
    if os.path.isdir(path):
        return os.path.basename(path)
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _staged(run: FinishedRun) -> list[str]:
    """All files that tasks of the run read: what a `storeDir` has taken may be among them."""
    return list(dict.fromkeys(file.path for task in run.tasks for file in task.inputs))


def _elsewhere(run: FinishedRun, paths: Iterable[str]) -> dict[str, str]:
    """The paths of outputs that are no longer in their work folders, if exactly one file matches."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_name[os.path.basename(path)].append(path)
    elsewhere = {}
    for task in run.tasks:
        for file in task.outputs:
            if os.path.lexists(file.path):
                continue
            names = by_name[os.path.basename(file.path)]
            candidates = [path for path in dict.fromkeys(names) if _is_written_by(path, task)]
            if len(candidates) == 1:
                elsewhere[file.path] = candidates[0]
    return elsewhere


def _is_written_by(path: str, task: FinishedTask) -> bool:
    """Whether a file was written while the task ran."""
    try:
        modified = os.stat(path).st_mtime
    except OSError:
        return False
    begin, end = task.submitted - _SLACK, task.completed + _SLACK
    return begin.timestamp() <= modified <= end.timestamp()
