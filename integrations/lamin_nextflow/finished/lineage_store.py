"""Finished runs by Nextflow's lineage store, `.lineage` (25.04 and later).

A record is `KEY/.data.json`; its key is the hash of a run or a task, `HASH#output` for what a task gives, or
`HASH/PATH` for a file. Up to 25.04 the fields of a record stand beside `version` and `kind`, since 25.10 under
`spec`, with the same version word. Source: `nextflow.lineage` of Nextflow, and recorded stores of both.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamin_core.errors import InvalidArgument, NotFound

VERSION = "lineage/v1beta1"
Spec = Mapping[str, Any]
_FILE = ".data.json"
_LID = re.compile(r"^lid://(?:lid:/)?(.+)$")
"""The address of a record; of a file in a `storeDir` 25.04 writes it twice."""


@dataclass(frozen=True, slots=True)
class Store:
    """The records of a lineage store, by kind and key."""

    path: Path
    runs: Mapping[str, Spec]
    tasks: Mapping[str, Spec]
    outputs: Mapping[str, Spec]
    """The outputs of tasks, by their hashes."""
    files: Mapping[str, Spec]
    ends: Mapping[str, Spec]
    """The outputs of workflows, by their hashes."""
    unreadable: tuple[str, ...] = ()
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys of the published files of each run."""
    tasks_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Hashes of the tasks that each run executed."""


def read_store(path: Path) -> Store:
    """Read all records of a store.

    A record that was cut off in the middle is left out, and named in `unreadable`.

    Raises:
        NotFound: there is no store at this path.
        InvalidArgument: a record is of a version that is not known here.
    """
    if not path.is_dir():
        raise NotFound(f"no lineage store at {str(path)!r}", hint="name the folder .lineage")
    records: dict[str, dict[str, Spec]] = defaultdict(dict)
    unreadable = []
    for key, file in _record_files(path):
        try:
            kind, spec = _record(json.loads(file.read_text("utf-8")), file)
        except (OSError, ValueError, AttributeError) as error:
            if isinstance(error, InvalidArgument):
                raise
            unreadable.append(f"the record {key} of the lineage store cannot be read: {error}")
            continue
        records[kind][key.removesuffix("#output")] = spec
    runs, files = records["WorkflowRun"], records["FileOutput"]
    return Store(
        path=path,
        runs=runs,
        tasks=records["TaskRun"],
        outputs=records["TaskOutput"],
        files=files,
        ends=records["WorkflowOutput"],
        unreadable=tuple(unreadable),
        published=_grouped((key.partition("/")[0], key) for key in files if _owner(key) in runs),
        tasks_of=_grouped(
            (key_of(s.get("workflowRun")), key) for key, s in records["TaskRun"].items()
        ),
    )


def _owner(key: str) -> str:
    return key.partition("/")[0]


def _grouped(pairs: Iterator[tuple[str | None, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        if name is not None:
            groups[name].append(value)
    return {name: tuple(sorted(values)) for name, values in groups.items()}


def _record_files(path: Path) -> Iterator[tuple[str, Path]]:
    for folder, names, files in os.walk(path):
        names.sort()
        if _FILE in files:
            yield os.path.relpath(folder, path), Path(folder, _FILE)


def _record(value: Any, file: Path) -> tuple[str, Spec]:
    """The kind and the fields of a record, in either envelope."""
    version = value.get("version")
    if version != VERSION:
        raise InvalidArgument(
            f"{file}: a lineage record of version {version!r} (expected {VERSION!r})",
            hint="update lamin-core, or import the trace: lamin import nextflow trace.txt",
        )
    spec = value.get("spec", value)
    if not isinstance(spec, dict):
        raise ValueError("its fields are no object")
    return str(value.get("kind")), spec


def key_of(address: object) -> str | None:
    """Return the key in `lid://KEY`; None for another text.

    >>> key_of("lid://0809/part_aa"), key_of("lid://lid:/0809/a.ref"), key_of("/data/a.txt")
    ('0809/part_aa', '0809/a.ref', None)
    """
    match = _LID.match(address) if isinstance(address, str) else None
    return None if match is None else match[1]


def leaves(value: object) -> Iterator[Any]:
    """Yield the values in nested lists and objects; an object with a `path` is a file, and is one value."""
    if isinstance(value, dict) and "path" not in value:
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value is not None:
        yield value


def path_in(text: str, launch: Path) -> str:
    """Return the path or URL that a record writes as `file://`, absolute, or relative to the launch folder.

    >>> path_in("file:///data/a.txt", Path("/x")), path_in("work/ab/c.txt", Path("/x"))
    ('/data/a.txt', '/x/work/ab/c.txt')
    """
    text = text.removeprefix("file://")
    return text if "://" in text else os.path.normpath(launch / text)
