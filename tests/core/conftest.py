"""An instance for tests of the core, on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.runtime import current
from lamin_core.storage import object_store
from lamin_core.tracking import finish
from tests.support.object_store import KEYS, serving


@pytest.fixture
def instance(in_tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """A fresh instance in the test's folder, connected."""
    new_instance = init("./data", db=database_url)
    yield new_instance
    if current.process_run() is not None:
        finish()
    disconnect()
    new_instance.db.dispose()


@pytest.fixture
def write(in_tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file below the test's folder."""

    def writer(name: str, text: str) -> Path:
        path = in_tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return writer


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside of every storage."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 endpoint."""
    pytest.importorskip("s3fs", reason="the environment of the newest SQLAlchemy has no buckets")
    with serving(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file system of that endpoint, which the environment names."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    fs, _ = object_store.filesystem("s3://any")
    return fs


@pytest.fixture
def bucket(s3: Any) -> str:
    """The URL of an empty bucket."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.mkdir(name)
    return f"s3://{name}"


def stored(instance: Instance) -> list[str]:
    """Everything that lies in the storage, parts of copies included."""
    return sorted(path.name for path in Path(instance.storage).rglob("*") if path.is_file())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def story(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The web pages over a registry with a bit of everything, for all tests that only look."""
    pytest.importorskip("prometheus_client", reason="the extra server is not installed")
    from tests.support.web_registry import tell

    folder = tmp_path_factory.mktemp("web")
    postgres = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    name = None if postgres is None else postgres.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        url = None if postgres is None else postgres.url(name)
        new_instance = init("./data", db=url)
        yield tell(new_instance, tmp_path_factory.mktemp("files"))
    disconnect()
    new_instance.db.dispose()
    if postgres is not None:
        postgres.drop(name)
