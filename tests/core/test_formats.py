"""Files by their suffix: each that the table of formats names is written, loaded, and opened where it says so."""

from __future__ import annotations

import bz2
import gzip
import importlib
import json
import lzma
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument, MissingExtra, NotFound
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.storage import blobs, formats

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FRAME = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


def _cells() -> Any:
    import anndata as ad

    return ad.AnnData(np.eye(3, dtype="float32"))


def _text(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _is(expected: object) -> Callable[[Any], bool]:
    return lambda loaded: bool(loaded == expected)


def _is_frame(loaded: Any) -> bool:
    return bool(loaded.x.to_list() == [1, 2] and loaded.y.to_list() == ["a", "b"])


def _has_rows(opened: Any) -> bool:
    return bool(opened.to_table().to_pydict()["x"] == [1, 2])


def _is_three_cells(loaded: Any) -> bool:
    return type(loaded).__name__ == "AnnData" and loaded.shape == (3, 3)


def _is_backed(opened: Any) -> bool:
    backed = opened.isbacked and opened.X[1].tolist() == [0, 1, 0]
    opened.file.close()
    return bool(backed)


def _modalities() -> Any:
    mudata = importlib.import_module("mudata")
    with mudata.set_options(pull_on_update=False):
        return mudata.MuData({"rna": _cells()})


def _has_cells(data: Any) -> bool:
    has_cells = list(data.mod) == ["rna"] and data.n_obs == 3
    if data.isbacked:
        data.file.close()
    return has_cells


def _is_group(opened: Any) -> bool:
    return type(opened).__name__ == "Group" and opened["X"][1].tolist() == [0, 1, 0]


TEXT = "naïve text\n"
MADE: dict[str, tuple[Callable[[Path], Any], Callable[[Any], bool], Callable[[Any], bool] | None]] = {
    ".parquet": (FRAME.to_parquet, _is_frame, _has_rows),
    ".csv": (lambda path: FRAME.to_csv(path, index=False), _is_frame, _has_rows),
    ".csv.gz": (lambda path: FRAME.to_csv(path, index=False), _is_frame, _has_rows),
    ".csv.bz2": (lambda path: FRAME.to_csv(path, index=False), _is_frame, _has_rows),
    ".CSV": (lambda path: FRAME.to_csv(path, index=False), _is_frame, _has_rows),
    ".tsv": (lambda path: FRAME.to_csv(path, index=False, sep="\t"), _is_frame, _has_rows),
    ".tsv.gz": (lambda path: FRAME.to_csv(path, index=False, sep="\t"), _is_frame, _has_rows),
    ".h5ad": (lambda path: _cells().write_h5ad(path), _is_three_cells, _is_backed),
    ".zarr": (lambda path: formats.write(_cells(), path, ".zarr"), _is_three_cells, _is_group),
    ".anndata.zarr": (lambda path: formats.write(_cells(), path, ".zarr"), _is_three_cells, _is_group),
    ".spatialdata.zarr": (lambda path: formats.write(_cells(), path, ".zarr"), _is_three_cells, _is_group),
    ".h5mu": (lambda path: formats.write(_modalities(), path, ".h5mu"), _has_cells, _has_cells),
    ".json": (_text('{"a": ["ï"]}'), _is({"a": ["ï"]}), None),
    ".json.gz": (lambda path: path.write_bytes(gzip.compress(b"[1]")), _is([1]), None),
    ".jsonl": (_text('{"a": 1}\n\n{"a": 2}\n'), _is([{"a": 1}, {"a": 2}]), None),
    ".ndjson": (_text("1\n2\n"), _is([1, 2]), None),
    ".jsonl.xz": (lambda path: path.write_bytes(lzma.compress(b"1\n2\n")), _is([1, 2]), None),
    ".yaml": (_text("a: [1, 2]\n"), _is({"a": [1, 2]}), None),
    ".yml": (_text("a: [1, 2]\n"), _is({"a": [1, 2]}), None),
    ".toml": (_text("a = 1\n"), _is({"a": 1}), None),
    ".npy": (lambda path: np.save(path, np.arange(3)), lambda loaded: bool(loaded.tolist() == [0, 1, 2]), None),
    ".npz": (lambda path: np.savez(path, x=np.arange(2)), lambda loaded: bool(loaded["x"].tolist() == [0, 1]), None),
    **{name: (lambda path: path.write_bytes(PIXEL), lambda loaded: bool(loaded.read_bytes() == PIXEL), None)
       for name in (".png", ".jpg", ".jpeg", ".gif")},
    **{name: (_text(TEXT), _is(TEXT), None) for name in formats.FORMATS if formats.FORMATS[name].load is formats._text},
    ".fasta.gz": (lambda path: path.write_bytes(gzip.compress(b">x\nACGT\n")), _is(">x\nACGT\n"), None),
    ".fa.bz2": (lambda path: path.write_bytes(bz2.compress(b">x\nACGT\n")), _is(">x\nACGT\n"), None),
    ".txt.xz": (lambda path: path.write_bytes(lzma.compress(TEXT.encode())), _is(TEXT), None),
    ".unknown": (_text("?"), lambda loaded: bool(loaded.read_text() == "?"), None),
    "": (_text("?"), lambda loaded: bool(loaded.read_text() == "?"), None),
}  # fmt: skip


@pytest.fixture(params=["local", "s3"])
def instance(request: pytest.FixtureRequest, in_tmp_path: Path) -> Iterator[Instance]:
    """An instance whose copies go into a folder, or a bucket; formats know of no database."""
    new_instance = init(
        "./data" if request.param == "local" else f"{request.getfixturevalue('bucket')}/lineage"
    )
    yield new_instance
    disconnect()
    new_instance.db.dispose()


def test_every_format_has_a_test_case() -> None:
    assert set(formats.FORMATS) <= set(MADE)
    assert {suffix for suffix, file_format in formats.FORMATS.items() if file_format.open} <= {
        suffix for suffix, case in MADE.items() if case[2]
    }
    texts = {".txt", ".html", ".svg", ".fasta", ".md"}
    assert texts <= set(formats.FORMATS)  # else the line of the texts above would try nothing


def test_every_format_is_saved_loaded_and_opened(instance: Instance, outside: Path) -> None:
    is_remote = "://" in instance.storage
    for suffix, (write, is_right, is_opened) in MADE.items():
        write(path := outside / f"file{suffix}")
        artifact = ln.Artifact(path, key=f"formats/file{suffix}").save()
        assert artifact.suffix == suffix
        if is_opened is None:
            with pytest.raises(InvalidArgument, match="cannot be opened for streaming"):
                artifact.open()
        else:
            assert is_opened(artifact.open()), suffix
            if is_remote and suffix not in (".h5ad", ".h5mu"):  # it has been read where it lies
                assert not (instance.folder / "cache" / artifact.uid).exists(), suffix
        assert is_right(artifact.load()), suffix
        assert artifact.cache().exists()


def test_zarr_group_without_anndata_loads_as_a_group(instance: Instance, outside: Path) -> None:
    import zarr

    group = zarr.open_group(str(outside / "image.zarr"), mode="w")
    group.create_array("pixels", data=np.arange(6).reshape(2, 3))
    artifact = ln.Artifact(outside / "image.zarr", key="image.zarr").save()
    assert artifact.open()["pixels"][1].tolist() == [3, 4, 5]
    assert artifact.load()["pixels"][:].sum() == 15
    zarr.create_array(str(outside / "array.zarr"), data=np.arange(3))
    assert ln.Artifact(outside / "array.zarr", key="array.zarr").save().load()[:].tolist() == [
        0,
        1,
        2,
    ]


DAMAGED = {
    "empty.csv": b"",
    "empty.tsv.gz": gzip.compress(b""),
    "empty.parquet": b"",
    "empty.json": b"",
    "empty.h5ad": b"",
    "empty.npy": b"",
    "cut.json": b'{"a": ',
    "cut.csv.gz": gzip.compress(b"x\n1\n2\n3\n" * 99)[:-9],
    "cut.parquet": b"PAR1\0\0",
    "other.fasta.gz": b">x\nACGT\n",
    "latin.txt": "naïve".encode("latin-1"),
    "latin.csv": "naïve,1\n".encode("latin-1"),
    "bad.yaml": b"a: [",
    "bad.toml": b"a",
    "bad.jsonl": b"1\n{\n",
}


def test_damaged_empty_or_mislabelled_file_raises_invalid_argument(
    instance: Instance, outside: Path
) -> None:
    for name, data in DAMAGED.items():
        (outside / name).write_bytes(data)
        artifact = ln.Artifact(outside / name, key=f"raw/{name}").save()
        with pytest.raises(InvalidArgument, match=f"'raw/{name}' cannot be read as") as failure:
            artifact.load()
        assert ".cache() gives its path" in str(failure.value)
        assert artifact.cache().read_bytes() == data
        if name.startswith("empty.") and "json" not in name and "npy" not in name:
            with pytest.raises(InvalidArgument, match="cannot be read as"):
                artifact.open()


def test_removed_bytes_cannot_be_opened_loaded_or_cached(instance: Instance) -> None:
    artifact = ln.Artifact.from_df(FRAME, key="t.parquet").save()
    blobs.remove(instance.storage, artifact.real_key or "")
    for use in (artifact.open, artifact.load, artifact.cache):
        with pytest.raises(NotFound, match=r"nothing at"):
            use()


def test_data_frame_that_a_format_cannot_store_is_refused_with_the_reason(
    instance: Instance,
) -> None:
    mixed, twice = pd.DataFrame({"x": [1, "a"]}), pd.DataFrame([[1, 2]], columns=["a", "a"])
    for frame, why in ((mixed, "Could not convert"), (twice, "Duplicate column names")):
        with pytest.raises(InvalidArgument, match=why):
            ln.Artifact.from_df(frame, key="t.parquet")
    with pytest.raises(InvalidArgument, match=r"end it in \.parquet or \.csv"):
        ln.Artifact.from_df(FRAME, key="t.txt")
    with pytest.raises(InvalidArgument, match="a Series cannot be saved this way"):
        ln.Artifact.from_df(FRAME.x, key="t.parquet")  # type: ignore[arg-type]


class Marker:
    """Leaves a folder when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.mkdir, (Path("unpickled"),))


def test_formats_that_can_run_code_load_only_with_trust(instance: Instance, outside: Path) -> None:
    for suffix in formats.TRUSTED_FORMATS:
        for name in (suffix, suffix.upper()):
            (outside / f"model{name}").write_bytes(pickle.dumps(Marker()))
            artifact = ln.Artifact(outside / f"model{name}", key=f"model{name}").save()
            with pytest.raises(InvalidArgument, match="trust=True"):
                artifact.load()
            with pytest.raises(InvalidArgument, match="cannot be opened"):
                artifact.open()
    np.save(outside / "objects.npy", np.array([Marker()], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArgument, match="allow_pickle"):
        ln.Artifact(outside / "objects.npy", key="objects.npy").save().load()
    (outside / "tag.yaml").write_text('!!python/object/apply:os.mkdir ["unpickled"]\n')
    with pytest.raises(InvalidArgument, match="ConstructorError"):
        ln.Artifact(outside / "tag.yaml", key="tag.yaml").save().load()
    assert not Path("unpickled").exists()
    ln.Artifact.get(key="model.pkl").load(trust=True)
    assert Path("unpickled").exists()


@pytest.mark.parametrize(
    "codecs",
    [
        {"filters": [{"id": "pickle"}], "compressor": None},
        {"filters": [{"id": "delta", "dtype": "<f4"}, {"id": "pickle"}], "compressor": None},
        {"filters": None, "compressor": {"id": "pickle"}},
    ],
)
def test_zarr_with_a_pickle_codec_is_refused(
    instance: Instance, outside: Path, codecs: dict[str, Any]
) -> None:
    import anndata as ad

    payload = pickle.dumps(Marker())
    array = outside / "array.zarr"
    array.mkdir()
    described = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "dtype": "<f4",
        "order": "C",
        "fill_value": 0,
    }
    (array / ".zarray").write_text(json.dumps(described | codecs))
    (array / "0").write_bytes(payload)
    artifact = ln.Artifact(array, key="array.zarr").save()
    # zarr refuses the metadata, or numcodecs the bytes.
    with pytest.raises((InvalidArgument, RuntimeError), match="pickle"):
        artifact.load()[:]

    matrix = outside / "matrix.zarr"
    formats.write(ad.AnnData(np.eye(2, dtype="f4")), matrix, ".zarr")
    (matrix / ".zmetadata").unlink(missing_ok=True)
    described = json.loads((matrix / "X" / ".zarray").read_text())
    (matrix / "X" / ".zarray").write_text(json.dumps(described | codecs))
    (matrix / "X" / "0.0").write_bytes(payload)
    with pytest.raises(InvalidArgument, match=r"(?i)pickle"):
        ln.Artifact(matrix, key="matrix.zarr").save().load()
    assert not Path("unpickled").exists()


def test_missing_library_of_a_format_is_named(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = ln.Artifact.from_df(FRAME, key="t.csv").save()

    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not there
    with pytest.raises(MissingExtra, match="pandas is not installed") as failure:
        artifact.load()
    assert failure.value.hint == "pip install 'lamin-core[data]'"
