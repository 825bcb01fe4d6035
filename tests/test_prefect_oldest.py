"""The oldest Prefect that is supported, in an environment of its own: it is recorded as the newest is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from openlineage.lamin.emit.events import Event

pytest_plugins = ["tests.support.prefect_server"]

ROOT = Path(__file__).parents[1]
OLDEST = ROOT / ".venv-prefect"
SCRIPT = """
from __future__ import annotations
import asyncio
from pathlib import Path
from prefect import flow, task
from prefect.assets import add_asset_metadata, materialize
from prefect.cache_policies import INPUTS
from prefect.transactions import transaction

@task(retries=1)
def copy(raw: Path, target: str) -> str:
    "Copies."
    with open("tries", "a") as tries:
        tries.write("x")
    if len(Path("tries").read_text()) == 1:
        raise ValueError("no luck")
    Path(target).write_text(raw.read_text())
    return target

@task(cache_policy=INPUTS, persist_result=True)
def size(path: Path) -> int:
    return len(path.read_text())

@task
async def shout(path: str) -> Path:
    Path("loud.txt").write_text(Path(path).read_text().upper())
    return Path("loud.txt")

@task
def parts(number: int):
    for index in range(number):
        Path(f"part{index}.txt").write_text(str(index))
        yield Path(f"part{index}.txt")

@task(timeout_seconds=1)
def hangs() -> None:
    import time
    for _ in range(300):
        time.sleep(0.01)

@task
def never(value: object) -> None: ...

@materialize("s3://lake/clean.csv", asset_deps=["s3://lake/raw.csv"], by="duckdb")
def load() -> None:
    add_asset_metadata("s3://lake/clean.csv", {"rows": 3})

@task
def write() -> Path:
    Path("undone.txt").write_text("undone")
    return Path("undone.txt")

@flow
async def inner(path: str) -> Path:
    return await shout(path)

@flow
def typed(number: int) -> int:
    return number

@flow
def outer(raw: Path) -> None:
    copied = copy(raw, "copy.txt")
    size(Path(copied))
    size(Path(copied))
    asyncio.run(inner(copied))
    list(parts(2))
    never.submit(hangs.submit()).wait()
    load()
    typed("four", return_state=True)
    try:
        with transaction():
            write()
            raise LookupError("undo")
    except LookupError:
        print(size.map([raw, Path(copied)]).result())

if __name__ == "__main__":
    outer("raw.txt")
"""


@pytest.fixture(scope="module")
def oldest() -> Path:
    """The Python of the environment with the oldest Prefect."""
    install = [f"{ROOT}/requirements/install", f"{OLDEST}", "requirements/prefect-oldest.txt"]
    subprocess.run(install, check=True, timeout=250)  # nothing, where `make test` did it
    return OLDEST / "bin" / "python"


def recorded(python: Path, folder: Path, environment: dict[str, str]) -> list[Event]:
    """What the Prefect of this Python, unchanged, has recorded of the script."""
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    (folder / "raw.txt").write_text("raw")
    plugin = {"PREFECT_PLUGINS_ENABLED": "1", "LAMIN_PREFECT": "1"}
    own = {
        "LAMIN_SPOOL": str(folder / "spool"),
        "PREFECT_LOCAL_STORAGE_PATH": str(folder / "results"),
    }
    done = subprocess.run(
        [python, "script.py"],
        cwd=folder,
        env={**os.environ, **environment, **plugin, **own},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[3, 3]\n"), done.stderr
    files = (folder / "spool").glob("*.ndjson")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def facts(events: list[Event]) -> list[str]:
    """What the events say, without times, ids and folders, sorted."""
    return sorted(repr(_fact(event)) for event in events)


def _fact(event: Event) -> tuple[Any, ...]:
    facets, job = event["run"]["facets"], event["job"]
    facet = facets["lamin_run"]
    sides = [sorted(map(_file, event[side]), key=repr) for side in ("inputs", "outputs")]
    upstream = facets.get("jobDependencies", {}).get("upstream", [])
    dependencies = sorted((source["job"]["name"], source["dependency_type"]) for source in upstream)
    code = job["facets"]["sourceCode"]["sourceCode"]
    above = facets.get("parent", {}).get("job", {}).get("name")
    is_known = (facet["attempt"], facet["cached"], sorted(facet["details"]), above, code)
    error = facets.get("errorMessage", {}).get("message")
    return job["name"], event["eventType"], *is_known, error, sides, dependencies


def _file(dataset: dict[str, Any]) -> tuple[Any, ...]:
    content = dataset["facets"].get("lamin_artifact", {})
    features = dataset["facets"].get("lamin_features", {})
    return Path(dataset["name"]).name, content.get("hash"), content.get("role"), str(features)


def test_oldest_release_is_recorded_like_the_newest(
    oldest: Path, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    old = recorded(oldest, tmp_path / "old", prefect_environment)
    new = recorded(Path(sys.executable), tmp_path / "new", prefect_environment)
    assert Counter(facts(old)) - Counter(facts(new)) == Counter()
    assert len(old) == len(new)
    versions = {event["run"]["facets"]["processing_engine"]["version"] for event in old}
    assert versions == {"3.7.0"}
    jobs = {event["job"]["name"].rpartition(":")[2] for event in old}
    assert jobs >= {"copy", "size", "shout", "parts", "hangs", "load", "typed", "write"}
    assert {event["eventType"] for event in old} == {"START", "RUNNING", "COMPLETE", "FAIL"}
    assert sum(event["run"]["facets"]["lamin_run"]["cached"] for event in old) == 2
