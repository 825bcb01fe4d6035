"""Instances in a folder of a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.instance.setup import disconnect, init


@contextmanager
def instance_in(folder: Path, database_url: str) -> Iterator[Instance]:
    """A new instance in a folder that is the working directory meanwhile; removed afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        instance = init(folder, db=database_url)
        yield instance
        disconnect()
        instance.db.dispose()
        shutil.rmtree(folder / ".lamin")
