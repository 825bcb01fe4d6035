"""The kind of records of finished runs at a path: a lineage store, traces, an RO-Crate, or a launch folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lamin_core.errors import InvalidArgument, NotFound
from lamin_nextflow.finished.contents import Reader
from lamin_nextflow.finished.facts import FinishedRun
from lamin_nextflow.finished.launch_folder import launch_folder
from lamin_nextflow.finished.launched import Launched, Trace, launched_run, read_trace, unnamed_run
from lamin_nextflow.finished.lineage_store import Store, read_store
from lamin_nextflow.finished.published import result_folders, with_published
from lamin_nextflow.finished.ro_crate import crate_run
from lamin_nextflow.finished.stored import by_name, stored_run
from lamin_nextflow.finished.task_rows import PREFIX

_CRATE = "ro-crate-metadata.json"
_TRACES = ("*trace*.txt", "*trace*.tsv", "*/pipeline_info/*trace*.txt", "pipeline_info/*trace*.txt")
_HINT = "name the folder where nextflow was started, its .lineage, a trace file, or an RO-Crate"


def finished_runs(
    path: Path, read: Reader, work: Path | None = None, results: Sequence[Path] = ()
) -> list[FinishedRun]:
    """Return the runs that are recorded at this path, the oldest first.

    Args:
        path: A launch folder, a lineage store, a trace, or an `ro-crate-metadata.json`.
        read: Reads files, to know what was published where no record tells it.
        work: The work folder, where it is not the one that the records name.
        results: Folders with published files, beside those that the records name.

    Raises:
        NotFound: nothing is recorded there.
        InvalidArgument: what is there is no record, or one that is not known here.
    """
    if not path.exists():
        raise NotFound(f"there is no {str(path)!r}", hint=_HINT)
    path = path.resolve()
    if path.is_file():
        runs = _file_runs(path, read, work, results)
    elif _is_store(path):
        runs = _store_runs(
            read_store(path), Launched(launch_folder(path.parent), list(_traces(path.parent)), work)
        )
    else:
        runs = _folder_runs(path, read, work, results)
    found_runs = sorted(runs, key=lambda run: (run.started, run.name))
    if not found_runs:
        raise NotFound(f"no finished run of Nextflow is recorded in {str(path)!r}", hint=_HINT)
    return found_runs


def _is_store(path: Path) -> bool:
    return path.name == ".lineage" or (path / ".history").is_dir()


def _file_runs(
    path: Path, read: Reader, work: Path | None, results: Sequence[Path]
) -> Iterator[FinishedRun]:
    folder = launch_folder(path.parent)
    if path.suffix == ".json":
        yield crate_run(path, Launched(folder, (), work))
        return
    if path.name.startswith(".nextflow"):
        raise InvalidArgument(f"{path} is not a trace", hint=_HINT)
    trace = read_trace(path)
    launched = Launched(folder, [trace], work)
    name = launched.owner(trace)
    run = None if name is None else launched_run(launched, name)
    run = unnamed_run(trace, launched) if run is None else run
    yield with_published(run, result_folders(run, results), read)


def _store_runs(store: Store, launched: Launched) -> Iterator[FinishedRun]:
    for trace in launched.traces:
        if launched.owner(trace) is None:
            _own(trace, store, launched)
    for key in store.runs:
        yield stored_run(store, key, launched)


def _own(trace: Trace, store: Store, launched: Launched) -> None:
    """Give a trace to the run of the store that executed the tasks in it."""
    shown = {row.prefix for row in trace.rows if not row.is_cached}
    for key, tasks in store.tasks_of.items():
        if key in store.runs and any(task[:PREFIX] in shown for task in tasks):
            launched.owners[trace.path] = str(store.runs[key].get("name"))


def _folder_runs(
    path: Path, read: Reader, work: Path | None, results: Sequence[Path]
) -> Iterator[FinishedRun]:
    """The runs of a launch folder: of its store, and those of the history that the store does not have."""
    folder = launch_folder(path)
    launched = Launched(folder, list(_traces(path)), work)
    stored: dict[str, str] = {}
    if (path / ".lineage").is_dir():
        store = read_store(path / ".lineage")
        stored = by_name(store.runs)
        yield from _store_runs(store, launched)
    names = [launch.name for launch in folder.launches] if folder.path == path else []
    owners = {launched.owner(trace): trace for trace in launched.traces}
    for name in dict.fromkeys([*names, *filter(None, owners)]):
        run = None if name in stored else launched_run(launched, name)
        if run is not None:
            yield with_published(run, result_folders(run, results), read)
    if not stored and None in owners:
        for trace in launched.traces:
            if launched.owner(trace) is None:
                run = unnamed_run(trace, launched)
                yield with_published(run, result_folders(run, results), read)
    if not names and not stored and (path / _CRATE).is_file():
        yield crate_run(path / _CRATE, launched)


def _traces(path: Path) -> Iterator[Trace]:
    for pattern in _TRACES:
        for file in sorted(path.glob(pattern)):
            try:
                yield read_trace(file)
            except InvalidArgument:  # another file of that name
                continue
