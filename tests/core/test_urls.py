"""Addresses: those that show a secret are refused, what is on the web is read, and a missing library is named."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.errors import InvalidArgument, LaminError, MissingExtra, NotFound, Unavailable
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.models import Base
from lamin_core.storage import object_store
from tests.support.object_store import KEYS

SECRET = "s3cr3t/Pass+word"
SECRETS = [
    "s3://AKIAIOSFODNN7EXAMPLE:s3cr3t@bucket/a.csv",
    "s3://user:s3cr3t@bucket/a.csv",
    f"s3://AKIAIOSFODNN7EXAMPLE:{SECRET}@bucket/a.csv",
    "https://me:s3cr3t@127.0.0.1:9/a.csv",
    "https://bucket.s3.amazonaws.com/a.csv?X-Amz-Credential=x&X-Amz-Signature=s3cr3t",
    "https://blob.example.org/a.csv?sv=2020&sig=s3cr3t",
    "https://example.org/a.csv?access_token=s3cr3t&download=1",
    "sftp://me:s3cr3t@127.0.0.1/a.csv",
]


def test_url_with_a_secret_is_refused(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="lamin")
    for url in SECRETS:
        for make in (
            ln.Artifact,
            lambda url: ln.Artifact(url, key="a.csv"),
            lambda url: ln.Storage(url).save(),
        ):
            with pytest.raises(
                InvalidArgument, match="comes with a password or options"
            ) as failure:
                make(url)
            assert "s3cr3t" not in str(failure.value)
            assert "a.csv" in str(failure.value)
            assert "storages.toml" in str(failure.value)
    assert "s3cr3t" not in caplog.text
    assert ln.Artifact.count() == 0
    assert not ln.Storage.filter(root__contains="s3cr3t").exists()


def test_keys_of_a_storage_are_in_no_table_log_or_error(
    in_tmp_path: Path,
    outside: Path,
    home: Path,
    endpoint: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="lamin")
    _write_storages_toml(home, key="AKIAIOSFODNN7EXAMPLE", secret=SECRET, endpoint_url=endpoint)
    fs, _ = object_store.filesystem("s3://of-the-file")
    if not fs.exists("of-the-file"):
        fs.mkdir("of-the-file")
    new_instance = init(f"s3://of-the-file/{outside.name}", db=database_url)
    try:
        (outside / "a.txt").write_text("a")
        with ln.run("step"):
            artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        _write_storages_toml(
            home, key="AKIAIOSFODNN7EXAMPLE", secret=SECRET, endpoint_url="http://127.0.0.1:9"
        )
        with pytest.raises(LaminError, match="cannot be reached") as failure:
            artifact.cache()
        assert SECRET not in str(failure.value)
        with new_instance.db.reading() as session:
            rows = [
                row
                for table in Base.metadata.sorted_tables
                for row in session.execute(select(table))
            ]
        assert len(rows) > 5
        assert (
            SECRET
            not in str(rows) + caplog.text + (new_instance.folder / "instance.toml").read_text()
        )
    finally:
        disconnect()
        new_instance.db.dispose()


def _write_storages_toml(home: Path, **options: str) -> None:
    file = home / ".config" / "lamin" / "storages.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        "".join(
            [
                '["s3://of-the-file"]\n',
                *(f'{name} = "{value}"\n' for name, value in options.items()),
            ]
        )
    )


def test_missing_storage_library_is_named(instance: Instance) -> None:
    for url, library in (
        ("gs://b/a.csv", "gcsfs"),
        ("hf://datasets/a/b.csv", "huggingface_hub"),
        ("az://b/a", "adlfs"),
    ):
        if importlib.util.find_spec(library):
            continue
        for make in (ln.Artifact, lambda url: ln.Storage(url).save()):
            with pytest.raises(MissingExtra, match=f"{library} is not installed") as failure:
                make(url)
            assert failure.value.hint == f"pip install {library}"
    assert ln.Artifact.count() == 0


def test_unknown_url_scheme_is_refused(instance: Instance) -> None:
    with pytest.raises(InvalidArgument, match="Protocol not known: nonsense"):
        ln.Artifact("nonsense://somewhere/a.csv")
    with pytest.raises(InvalidArgument, match="not a URL"):
        ln.Artifact("https://example.org/a\0.csv")


# On the web


class _Site(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; with an entity tag where their name says so."""

    def end_headers(self) -> None:
        if "tagged" in self.path:
            body = Path(self.translate_path(self.path)).read_bytes()
            self.send_header("ETag", f'"{hash(body)}"')
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing on standard error."""


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    folder = tmp_path_factory.mktemp("site")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Site, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_web_file_is_registered_in_place_and_read(
    instance: Instance, site: tuple[Path, str]
) -> None:
    folder, address = site
    (folder / "a.csv").write_text("x\n1\n")
    (folder / "page.html").write_text('<a href="other.html">x</a>')
    artifact = ln.Artifact(f"{address}/a.csv?download=1", run=False).save()
    assert (artifact.key, artifact.suffix, artifact.path) == (
        "a.csv?download=1", ".csv", f"{address}/a.csv?download=1",
    )  # fmt: skip
    assert artifact.load().x.to_list() == [1]  # type: ignore[attr-defined]
    assert artifact.cache().name == "a.csv"
    assert ln.Artifact(f"{address}/a.csv?download=1", run=False).save().uid
    page = ln.Artifact(f"{address}/page.html").save()
    assert page.load() == '<a href="other.html">x</a>'
    assert fsck.check(instance).is_clean
    with pytest.raises(NotFound, match="nothing at"):
        ln.Artifact(f"{address}/nowhere.csv")
    with pytest.raises(InvalidArgument, match="can only be read"):
        ln.Storage(address).save()


def test_changed_web_file_is_detected(instance: Instance, site: tuple[Path, str]) -> None:
    folder, address = site
    (folder / "tagged.txt").write_text("old")
    old = ln.Artifact(f"{address}/tagged.txt").save()
    assert (old.hash_type, old.size) == ("etag", 3)
    assert ln.Artifact(f"{address}/tagged.txt").save().uid == old.uid
    (folder / "tagged.txt").write_text("other")
    assert [(problem.kind, problem.uid) for problem in fsck.check(instance).problems] == [
        ("changed", old.uid)
    ]
    with pytest.raises(LaminError, match="has changed since it was registered"):
        old.load()
    new = ln.Artifact(f"{address}/tagged.txt").save()
    assert (new.version, new.load()) == ("0001", "other")
    (folder / "tagged.txt").unlink()
    assert new.load() == "other"  # it was fetched before
    new.cache().unlink()
    with pytest.raises(NotFound):
        new.load()
    assert [(problem.kind, problem.uid) for problem in fsck.check(instance).problems] == [
        ("missing", new.uid)
    ]


def test_unreachable_web_server_raises_with_the_url(instance: Instance) -> None:
    with pytest.raises((NotFound, Unavailable), match=r"127\.0\.0\.1:9/a\.csv"):
        ln.Artifact("http://127.0.0.1:9/a.csv")


# On this machine, and in memory


def test_file_url_is_read_as_its_path(instance: Instance, outside: Path) -> None:
    for name in ("a b.txt", "50%.txt", "ü#?.txt"):
        (outside / name).write_text(name)
        assert ln.Artifact((outside / name).as_uri(), key="a.txt").save().load() == name


def test_storage_by_file_url_has_the_path_as_root(instance: Instance, outside: Path) -> None:
    assert ln.Storage((outside / "a b").as_uri()).save().root == str(outside / "a b")


# An endpoint of one's own


def test_endpoint_is_read_from_an_aws_profile(
    in_tmp_path: Path, outside: Path, home: Path, endpoint: str
) -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(
        f"[profile minio]\nendpoint_url = {endpoint}\nregion = us-east-1\n"
    )
    keys = f"aws_access_key_id = {KEYS['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = {SECRET}\n"
    (home / ".aws" / "credentials").write_text(f"[minio]\n{keys}")
    _write_storages_toml(home, profile="minio")
    fs, _ = object_store.filesystem("s3://of-the-file")
    if not fs.exists("of-the-file"):
        fs.mkdir("of-the-file")
    new_instance = init(f"s3://of-the-file/{outside.name}")
    try:
        (outside / "a.txt").write_text("a")
        artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
        assert artifact.load() == "a"
        assert fsck.check(new_instance, deep=True, grace=0).is_clean
        assert SECRET not in (new_instance.folder / "instance.toml").read_text()
    finally:
        disconnect()
        new_instance.db.dispose()
