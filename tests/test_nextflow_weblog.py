"""`POST /api/v1/nextflow/weblog`: what a real Nextflow posts, recorded messages, and what a server must not open."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lamin_core.errors import MalformedEvent
from lamin_core.instance.instance import Instance
from lamin_core.instance.setup import disconnect, init
from lamin_nextflow.finished.attempts import next_hash
from lamin_nextflow.finished.contents import Contents
from lamin_nextflow.finished.importing import imported
from lamin_nextflow.finished.sources import finished_runs
from lamin_nextflow.runtime import fetched
from lamin_nextflow.weblog import Weblog
from lamin_nextflow.weblog_files import task_files
from openlineage.lamin.adapter.foreign_events import RecordedRun
from openlineage.lamin.emit.events import Event
from openlineage.lamin.validation.schema import problems
from tests.contract.nextflow.playing import PIPELINES, TIMEOUT, environment, play
from tests.support.servers import Server
from tests.test_nextflow_import import shared_facts

VERSION = "22.10.7"
"""The last one that can be had whose weblog is built in."""
PATH = "/api/v1/nextflow/weblog"


def messages(name: str) -> list[dict[str, Any]]:
    """The messages that Nextflow 22.10.7 posted for this pipeline."""
    lines = (PIPELINES / "weblog" / f"{name}.ndjson").read_text().splitlines()
    return [json.loads(line) for line in lines]


def translated(weblog: Weblog, posted: list[dict[str, Any]], **query: str) -> list[Event]:
    """The events of these messages, with a registry that knows nothing."""
    return [
        event for message in posted for event in weblog.events(message, query, lambda run_id: None)
    ]


def ends(events: list[Event]) -> Counter[tuple[str, str]]:
    """The number of each ending of the runs of each job."""
    return Counter(
        (e["job"]["name"], e["eventType"]) for e in events if e["eventType"] != "RUNNING"
    )


def test_recorded_weblog_messages_give_runs_attempts_and_endings() -> None:
    events = translated(Weblog(), messages("retry"))
    assert ends(events) == {
        ("retry.nf", "COMPLETE"): 1,
        ("retry.nf:FLAKY", "FAIL"): 1,
        ("retry.nf:FLAKY", "COMPLETE"): 1,
        ("retry.nf:BROKEN", "FAIL"): 2,
        ("retry.nf:AFTER", "COMPLETE"): 1,
    }
    assert [problem for event in events for problem in problems(event)] == []
    attempts = {
        event["run"]["facets"]["lamin_run"]["details"]["hash"]: event["run"]["facets"]["lamin_run"][
            "attempt"
        ]
        for event in events
        if event["job"]["name"].endswith(":FLAKY")
    }
    (first,) = (task_hash for task_hash, number in attempts.items() if number == 1)
    assert attempts == {first: 1, next_hash(first, 2): 2}
    assert ends(translated(Weblog(), messages("fail"))) == {
        ("fail.nf", "FAIL"): 1,
        ("fail.nf:MAYBE", "FAIL"): 1,
        ("fail.nf:MAYBE", "ABORT"): 2,
    }


def test_server_started_in_the_middle_continues_the_same_runs() -> None:
    posted = messages("fanout")[:14]
    whole = translated(Weblog(), posted)
    recorded = {
        whole[0]["run"]["runId"]: RecordedRun("fanout.nf", "22.10.7", {"work_dir": "/x/work"})
    }
    rest = [event for message in posted[5:] for event in Weblog().events(message, {}, recorded.get)]
    assert {(e["run"]["runId"], e["job"]["name"]) for e in rest} <= {
        (e["run"]["runId"], e["job"]["name"]) for e in whole
    }


def test_pipeline_name_can_be_part_of_the_url() -> None:
    events = translated(Weblog(), messages("fanout"), pipeline="lab/align")
    assert {event["job"]["name"].partition(":")[0] for event in events} == {"lab/align/fanout.nf"}


@pytest.mark.parametrize(
    "message", [{}, {"event": "started"}, {"event": 1, "runId": "a", "runName": "b"}]
)
def test_malformed_message_is_one_typed_error(message: dict[str, Any]) -> None:
    with pytest.raises(MalformedEvent, match="not a message of Nextflow's weblog"):
        Weblog().events(message, {}, lambda run_id: None)


@pytest.mark.parametrize(
    "trace", [None, [], {"workdir": 7}, {"name": "A", "workdir": "/x", "submit": "now"}]
)
def test_malformed_traces_give_no_events(trace: object) -> None:
    message = {"event": "process_completed", "runId": "a", "runName": "b", "trace": trace}
    assert Weblog().events(message, {}, lambda run_id: None) == []
    assert Weblog().later_events(message) == ()


@pytest.fixture
def task(tmp_path: Path) -> tuple[Path, Path]:
    """A work folder, and in it the folder of a task with a wrapper."""
    work = tmp_path / "project" / "work"
    folder = work / "ab" / ("0" * 30)
    folder.mkdir(parents=True)
    wrapper = "#!/bin/bash\n### ---\n### name: 'A'\n### outputs:\n### - 'out.txt'\n### - 'folder'\n### ...\n"
    (folder / ".command.run").write_text(wrapper)
    return work, folder


def test_file_outside_the_work_folder_is_not_opened(
    task: tuple[Path, Path], tmp_path: Path
) -> None:
    work, folder = task
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "out.txt").symlink_to(secret)
    (folder / "folder").mkdir()
    (folder / "folder" / "inner").symlink_to(secret)
    (folder / "input.txt").symlink_to(secret)
    inputs, outputs = task_files(work, folder, is_complete=True)
    assert [dataset.name for dataset in outputs] == [
        str(folder / "out.txt"),
        str(folder / "folder"),
    ]
    assert all(dataset.hash is None and dataset.size is None for dataset in (*inputs, *outputs))
    assert str(secret) in [dataset.name for dataset in inputs]
    (folder / "out.txt").unlink()
    (folder / "out.txt").write_text("own")
    assert task_files(work, folder, is_complete=True)[1][0].hash


def test_folder_not_created_by_nextflow_is_not_read(
    task: tuple[Path, Path], tmp_path: Path
) -> None:
    work, folder = task
    (folder / "out.txt").write_text("own")
    elsewhere = tmp_path / "elsewhere" / "ab" / ("0" * 30)
    shutil.copytree(folder, elsewhere)
    (work / "cd").mkdir()
    (work / "cd" / ("0" * 30)).symlink_to(elsewhere)
    for other in (elsewhere, work / "cd" / ("0" * 30), folder.parent, Path("ab") / ("0" * 30)):
        assert task_files(work, other, is_complete=True) == ([], [])
    assert task_files(Path("/"), folder, is_complete=True) == ([], [])
    (folder / ".command.run").unlink()
    os.mkfifo(folder / ".command.run")
    assert task_files(work, folder, is_complete=True) == ([], [])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over an instance of its own."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        init("data").db.dispose()
        disconnect()
    with Server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A launch folder with pipelines."""
    folder = tmp_path_factory.mktemp("launch")
    shutil.copytree(PIPELINES / "data", folder / "data")
    (folder / "input.txt").write_text("one\n")
    for name in ("fanout", "failing"):
        shutil.copy(PIPELINES / f"{name}.nf", folder)
    return folder


def run_without_us(launch: Path, *arguments: str) -> int:
    """Run Nextflow as somebody does who has installed nothing."""
    variables: Mapping[str, str] = environment(launch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", variables["XDG_CACHE_HOME"])
        runtime = fetched(VERSION, None, variables)
    done = subprocess.run(
        [*runtime.command, *arguments],
        cwd=launch,
        env={**variables, **runtime.environment},
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode


def facts_of(server: Server) -> set[tuple[object, ...]]:
    """The facts in its registry, without the code, which a weblog does not contain."""
    server.runs()  # waits for what was acknowledged
    instance = Instance.open(server.folder / ".lamin")
    facts = without_code(shared_facts(instance.db))
    instance.db.dispose()
    return facts


def without_code(facts: set[tuple[object, ...]]) -> set[tuple[object, ...]]:
    """Runs without the digest of their code; edges as they are."""
    return {row[:-1] if len(row) == 10 else row for row in facts}


def test_pipelines_with_a_weblog_are_recorded_like_imported_ones(
    served: Server, launch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{served.url}{PATH}"
    assert run_without_us(launch, "run", "fanout.nf", "--lines", "2", "-with-weblog", address) == 0
    assert run_without_us(launch, "run", "failing.nf", "-with-weblog", address) == 1
    monkeypatch.chdir(tmp_path)
    instance = init("data")
    read = Contents().read
    list(imported(finished_runs(launch, read), read))
    expected = without_code(shared_facts(instance.db))
    disconnect()
    instance.db.dispose()
    own = {row for row in expected if "published" not in row}
    # The bytes of what lies outside of the work folder are not read.
    own = {
        (*row[:4], None, None) if row[1] == "input" and "/work/" not in str(row[3]) else row
        for row in own
    }
    posted = facts_of(served)
    assert posted - own == set()
    assert own - posted == set()


def test_weblog_and_observer_together_record_each_run_once(
    served: Server, launch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = facts_of(served)
    played = play(
        launch,
        *("run", "fanout.nf", "--lines", "3", "-with-weblog", f"{served.url}{PATH}"),
        NXF_VER=VERSION,
        OPENLINEAGE_URL=served.url,
    )
    assert played.code == 0, played.shown
    earlier = {row[0] for row in before}
    sent = {row for row in facts_of(served) if row[0] not in earlier}
    monkeypatch.chdir(tmp_path)
    alone = init("data")
    read = Contents().read
    list(imported([finished_runs(launch, read)[-1]], read))
    expected = without_code(shared_facts(alone.db))
    disconnect()
    alone.db.dispose()
    assert sent - expected == set()
    assert expected - sent == set()


def test_server_accepts_its_key_as_bearer_and_basic_authentication(served: Server) -> None:
    with Server(served.folder, LAMIN_API_KEY="open sesame") as server:
        body = json.dumps(messages("fanout")[0]).encode()
        basic = base64.b64encode(b"nextflow:open sesame").decode()
        assert server.post(body, PATH)[0] == 401
        assert server.post(body, PATH, Authorization=f"Basic {basic}")[0] == 201
        assert server.post(body, PATH, Authorization="Bearer open sesame")[0] == 201
        assert server.post(b"{", PATH, Authorization=f"Basic {basic}")[0] == 400
        assert server.post(b"[]", PATH, Authorization=f"Basic {basic}")[0] == 400
