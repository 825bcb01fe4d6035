"""An instance for tests of the core, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamin_core import context
from lamin_core.instance import Instance, disconnect, init
from lamin_core.tracking import finish


@pytest.fixture
def instance(in_tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """A fresh instance in the test's folder, connected."""
    made = init("./data", db=database_url)
    yield made
    if context.process_run() is not None:
        finish()
    disconnect()
    made.db.dispose()


@pytest.fixture
def write(in_tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file below the test's folder."""

    def writer(name: str, text: str) -> Path:
        path = in_tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return writer
