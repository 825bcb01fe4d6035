"""Files that live elsewhere: a storage plugin, which is all that Snakemake asks of one."""

from __future__ import annotations

import os
from pathlib import Path

from lamin_core.storage.hashing import digest
from tests.contract.snakemake.playing import dataset, environment, play, write

PLUGIN = """
import shutil
from dataclasses import dataclass
from pathlib import Path
from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase
from snakemake_interface_storage_plugins.storage_object import StorageObjectRead, StorageObjectWrite
from snakemake_interface_storage_plugins.storage_provider import StorageProviderBase, StorageQueryValidationResult

SHELF = Path(__file__).parents[2] / "shelf"

class StorageProviderSettings(StorageProviderSettingsBase):
    pass

class StorageProvider(StorageProviderBase):
    @classmethod
    def example_queries(cls):
        return []
    def rate_limiter_key(self, query, operation):
        return "shelf"
    def default_max_requests_per_second(self):
        return 100.0
    def use_rate_limiter(self):
        return False
    @classmethod
    def is_valid_query(cls, query):
        return StorageQueryValidationResult(query=query, valid=True)

class StorageObject(StorageObjectRead, StorageObjectWrite):
    @property
    def place(self):
        return SHELF / self.query.removeprefix("shelf://").lstrip("/")
    async def inventory(self, cache):
        pass
    def get_inventory_parent(self):
        return None
    def local_suffix(self):
        return self.query.removeprefix("shelf://").lstrip("/")
    def cleanup(self):
        pass
    def exists(self):
        return self.place.exists()
    def mtime(self):
        return self.place.stat().st_mtime
    def size(self):
        return self.place.stat().st_size
    def retrieve_object(self):
        shutil.copy(self.place, self.local_path())
    def store_object(self):
        self.place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.local_path(), self.place)
    def remove(self):
        self.place.unlink()
"""
SNAKEFILE = """
rule a:
    input: storage.shelf("shelf://books/in.txt"), storage.shelf("plain.txt")
    output: storage.shelf("shelf://books/out.txt")
    shell: "cat {input} > {output}"
"""


def test_file_in_a_storage_has_its_address_and_content(
    tmp_path: Path,
) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "books").mkdir(parents=True)
    (shelf / "books" / "in.txt").write_text("in\n")
    (shelf / "plain.txt").write_text("plain\n")
    write(tmp_path, PLUGIN, "site/snakemake_storage_plugin_shelf/__init__.py")
    write(tmp_path, SNAKEFILE)
    paths = os.pathsep.join([str(tmp_path / "site"), environment(tmp_path)["PYTHONPATH"]])
    done = play(tmp_path, PYTHONPATH=paths)
    assert done.code == 0, done.shown
    start, end = done.only_event("a", "START"), done.only_event("a", "COMPLETE")
    assert [(each["namespace"], each["name"]) for each in start["inputs"]] == [
        ("shelf://books", "/in.txt"),
        ("shelf://", "/plain.txt"),
    ]
    assert [(each["namespace"], each["name"]) for each in end["outputs"]] == [
        ("shelf://books", "/out.txt")
    ]
    assert dataset(start, "inputs", "in.txt")["hash"] == digest(shelf / "books" / "in.txt").hash
    assert dataset(end, "outputs", "out.txt")["hash"] == digest(shelf / "books" / "out.txt").hash
