"""Look into an artifact: only bytes that are still those that were registered, at most so many, and as plain values.

The file is read whole, and its digest is compared with the registered one, before anything of it is
shown: what lies there since somebody wrote it over is not. Nothing is loaded that could run code.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lamin_core.enums import MANAGED
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.storage.hashing import FILE, Digest, digest_bytes
from lamin_core.storage.locations import is_remote
from lamin_core.storage.rooted_paths import copy_location, location

MAX_SIZE = 32 << 20
"""Bytes of a file that is looked into."""
_MAX_TEXT = 64 << 10
_MAX_ROWS = 20
_MAX_COLUMNS = 50
_MAX_CELL = 200
_MAX_CELLS = 100
IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""The types of pictures, by how they begin."""
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_TEXTS = (
    *(".txt", ".log", ".md", ".rst", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".ini", ".cfg"),
    *(".py", ".r", ".sh", ".nf", ".smk", ".sql", ".html", ".htm", ".xml", ".fa", ".fasta", ".fastq", ".bed"),
    *(".gff", ".gtf", ".vcf", ".sam", ".dot", ".mmd", ".css", ".js"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """The path of an artifact's bytes, and their digest when it was registered."""

    root: str
    key: str | None
    real_key: str | None
    suffix: str
    content: Digest | None

    @property
    def path(self) -> str:
        """The path below the root of its storage. Raises `Conflict` for one that leads out of it."""
        key = self.real_key or self.key or ""
        if (self.real_key or "").startswith(f"{MANAGED}/"):
            return copy_location(self.root, key)
        return location(self.root, key)

    @property
    def format(self) -> str:
        """The suffix that says what the file holds, in lower case, without that of a compression."""
        name = (self.key or self.real_key or self.suffix).lower().removesuffix(".gz")
        return os.path.splitext(name)[1] or self.suffix.lower().removesuffix(".gz")

    @property
    def is_compressed(self) -> bool:
        """Whether it is compressed by gzip, by its name."""
        return (self.key or self.real_key or self.suffix).lower().endswith(".gz")


@dataclass(frozen=True, slots=True)
class Preview:
    """The preview of a file: `kind` determines which other fields are set.

    Args:
        kind: `table`, `text`, `image`, `notebook` or `none`.
        note: why nothing is shown, or what is not.
        columns: of a table, or of a text the names of nothing.
        rows: cells as text.
        text: the beginning of the file.
        cells: of a notebook: type, source and output as text.
        is_verified: whether the bytes were read and are those that were registered.
    """

    kind: str
    note: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    cells: tuple[tuple[str, str, str], ...] = field(default=())
    is_verified: bool = False


def preview(stored: Stored) -> Preview:
    """The preview of this artifact, or the reason why it has none."""
    data = checked_bytes(stored)
    if isinstance(data, str):
        return Preview("none", data)
    if stored.format in _IMAGE_SUFFIXES:
        if image_type(data, stored.format) is None:
            return Preview("none", "not the picture that its name says", is_verified=True)
        return Preview("image", is_verified=True)
    reader = _READERS.get(stored.format)
    if reader is None:
        return Preview("none", "no preview of this format", is_verified=True)
    try:
        return reader(_unpacked(data) if stored.is_compressed else data, stored)
    except Exception as error:  # a library that meets a damaged file raises whatever it likes
        return Preview(
            "none", f"not readable as {stored.format}: {type(error).__name__}", is_verified=True
        )


def checked_bytes(stored: Stored) -> bytes | str:
    """The bytes of the artifact if they are still those that were registered; else why they are not shown."""
    content = stored.content
    if content is None or content.hash_type != FILE or content.size == UNKNOWN_SIZE:
        is_folder = content is not None and content.is_folder
        return "a folder" if is_folder else "its bytes were not registered with a digest of ours"
    if content.size > MAX_SIZE:
        return f"larger than {MAX_SIZE >> 20} MiB"
    if is_remote(stored.root) or not os.path.isabs(stored.root):
        return "it lies in a storage that the server does not read"
    try:
        data = _read(stored.path, content.size)
    except Conflict:
        return "its path leads out of its storage"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    if data is None or digest_bytes(data) != content:
        return "the file has changed since it was registered"
    return data


def _read(path: str, size: int) -> bytes | None:
    """All bytes of a plain file of this size; None for anything else. A pipe is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size != size:
            return None
        return file.read(size + 1)


def image_type(data: bytes, suffix: str) -> str | None:
    """The type of a picture by its own first bytes; None if browsers cannot show it safely.

    >>> image_type(b"GIF89a...", ".png"), image_type(b"<html>", ".png")
    ('image/gif', None)
    """
    if suffix == ".svg":
        return "image/svg+xml"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in IMAGES.items() if data.startswith(magic)), None)


def _unpacked(data: bytes) -> bytes:
    """The beginning of what was compressed: so much as a preview shows, however much it would become."""
    return zlib.decompressobj(wbits=31).decompress(data, _MAX_TEXT)


def _text(data: bytes, stored: Stored) -> Preview:
    note = f"the first {_MAX_TEXT >> 10} KiB" if len(data) > _MAX_TEXT else ""
    return Preview("text", note, text=data[:_MAX_TEXT].decode("utf-8", "replace"), is_verified=True)


def _table(data: bytes, stored: Stored) -> Preview:
    text = data[:_MAX_TEXT].decode("utf-8", "replace")
    lines = csv.reader(io.StringIO(text), delimiter=_SEPARATORS[stored.format])
    rows = [line[:_MAX_COLUMNS] for line, _ in zip(lines, range(_MAX_ROWS + 2), strict=False)]
    if not rows:
        return Preview("none", "an empty file", is_verified=True)
    return _as_table(rows[0], rows[1:], is_more=len(rows) > _MAX_ROWS + 1)


def _parquet(data: bytes, stored: Stored) -> Preview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    names = file.schema_arrow.names[:_MAX_COLUMNS]
    batch = next(file.iter_batches(_MAX_ROWS, columns=names), None)
    columns = [] if batch is None else [column.to_pylist() for column in batch.columns]
    rows = [[_cell(value) for value in row] for row in zip(*columns, strict=True)]
    types = [f"{name} ({file.schema_arrow.field(name).type})" for name in names]
    table = _as_table(types, rows, is_more=False)
    total = file.metadata.num_rows
    return Preview(
        "table", f"{len(rows):,} of {total:,} rows", table.columns, table.rows, is_verified=True
    )


def _anndata(data: bytes, stored: Stored) -> Preview:
    """The parts of an AnnData file without its matrix, one row for each, read with h5py alone."""
    import h5py

    def part_of(group: Any, name: str) -> Any:
        # A link could lead into another file of this machine.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InvalidArgument(f"{name!r} is a link", hint="a file of AnnData has none")
        return group[name]

    with h5py.File(io.BytesIO(data), "r") as file:
        rows = []
        if "X" in file:
            matrix = part_of(file, "X")
            rows.append(["X", _h5_shape(matrix), _h5_type(matrix)])
        for group in ("obs", "var"):
            frame = part_of(file, group)
            index = str(frame.attrs.get("_index", "_index"))
            rows.append([group, f"{part_of(frame, index).shape[0]:,} rows", f"index {index}"])
            names = [str(name) for name in frame.attrs.get("column-order", ())][:_MAX_COLUMNS]
            rows += [[f"{group}[{name!r}]", "", _h5_type(part_of(frame, name))] for name in names]
        for group in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            parts = part_of(file, group) if group in file else {}
            for name in list(parts)[:_MAX_ROWS]:
                part = part_of(parts, name)
                rows.append([f"{group}[{name!r}]", _h5_shape(part), _h5_type(part)])
    cut = tuple(tuple(cell[:_MAX_CELL] for cell in row) for row in rows)
    return Preview("table", "", ("part", "shape", "type"), cut, is_verified=True)


def _h5_shape(part: Any) -> str:
    shape = part.attrs.get("shape", getattr(part, "shape", ()))
    return " x ".join(f"{int(number):,}" for number in shape)


def _h5_type(part: Any) -> str:
    """The encoding that AnnData names, and the type of the values."""
    encoding = str(part.attrs.get("encoding-type", ""))
    values = part if hasattr(part, "dtype") else part.get("data", part.get("categories"))
    kind = "" if values is None or not hasattr(values, "dtype") else str(values.dtype)
    if encoding == "categorical":
        return f"categorical, {values.shape[0]:,} categories"
    return " ".join(filter(None, (encoding, kind)))


def _cell(value: object) -> str:
    return "" if value is None else value.isoformat() if isinstance(value, date) else str(value)


def _as_table(columns: list[str], rows: list[list[str]], *, is_more: bool) -> Preview:
    note = f"the first {_MAX_ROWS} rows" if is_more else ""
    cut = tuple(tuple(cell[:_MAX_CELL] for cell in row) for row in rows[:_MAX_ROWS])
    names = tuple(name[:_MAX_CELL] for name in columns)
    return Preview("table", note, names, cut, is_verified=True)


def _notebook(data: bytes, stored: Stored) -> Preview:
    """The cells as text: sources, and outputs that are text; no HTML of a notebook is ever shown as HTML."""
    cells = []
    for cell in json.loads(data)["cells"][:_MAX_CELLS]:
        outputs = [_output(output) for output in cell.get("outputs", ())]
        source = _joined(cell.get("source", ""))[:_MAX_TEXT]
        cells.append(
            (str(cell.get("cell_type", "")), source, "\n".join(filter(None, outputs))[:_MAX_TEXT])
        )
    return Preview("notebook", cells=tuple(cells), is_verified=True)


def _output(output: dict[str, object]) -> str:
    data = output.get("data")
    plain = data.get("text/plain") if isinstance(data, dict) else None
    return _joined(output.get("text") or plain or "")


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


_READERS: dict[str, Callable[[bytes, Stored], Preview]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_SEPARATORS, _table),
    ".parquet": _parquet,
    ".h5ad": _anndata,
    ".ipynb": _notebook,
}
