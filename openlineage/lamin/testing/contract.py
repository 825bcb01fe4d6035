"""The promises of an adapter as tests to inherit: canonical pipelines in the real engine, checked in the registry.

    class TestContract(AdapterContract):
        engine = "snakemake"

        def execute(self, pipeline, workdir, env):
            return subprocess.run([...], cwd=workdir, env=env, capture_output=True, text=True)

`execute` plays one of these. `chain` makes `a.txt`, `b.txt`, `c.txt` from `input.txt` in the steps
`first`, `second`, `third`. `fan_out` has the steps `split`, three times `work`, and `gather`. In
`failing` the step `good`, which copies `input.txt` to `good.txt`, is followed by `bad`, which says
"no such luck" and fails. The step `tell` of `params` has `alpha=3` and `label="x y"`.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from lamin_core.instance.instance import Instance
from openlineage.lamin.testing.engine_run import Performance, play, served
from openlineage.lamin.validation.schema import problems

_TERMINAL = {"COMPLETE", "FAIL", "ABORT"}
_FINAL_FILES = {
    "chain": {"c.txt"},
    "fan_out": {"all.txt"},
    "params": {"told.txt"},
    "failing": {"good.txt"},
}
# No one answers there: port 9 is "discard", which nothing offers any more.
_NOBODY = "http://127.0.0.1:9"


class AdapterContract(ABC):
    """Inherit, name the engine, and say how a pipeline is played in it."""

    engine: ClassVar[str]

    @abstractmethod
    def execute(
        self, pipeline: str, workdir: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Play the pipeline in this folder with just this environment, to its end."""

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder in which the pipelines of this class run."""
        return tmp_path_factory.mktemp(cls.engine)

    @pytest.fixture(scope="class")
    @classmethod
    def chain(cls, folder: Path) -> Performance:
        """Three steps in a row."""
        return play(cls().execute, "chain", folder / "chain")

    @pytest.fixture(scope="class")
    @classmethod
    def fan_out(cls, folder: Path) -> Performance:
        """One step, three at once, one that gathers."""
        return play(cls().execute, "fan_out", folder / "fan_out")

    @pytest.fixture(scope="class")
    @classmethod
    def failing(cls, folder: Path) -> Performance:
        """A good step and a bad one."""
        return play(cls().execute, "failing", folder / "failing")

    @pytest.fixture(scope="class")
    @classmethod
    def params(cls, folder: Path) -> Performance:
        """A step that takes parameters."""
        return play(cls().execute, "params", folder / "params")

    @pytest.fixture(scope="class")
    @classmethod
    def sent(cls, folder: Path) -> Performance:
        """The chain once more, elsewhere and over HTTP, as the registry behind the endpoint shows it."""
        receiver = folder / "receiver"
        Instance.create(receiver, receiver / "data").db.dispose()
        with served(receiver) as url:
            sender = play(cls().execute, "chain", folder / "sender", OPENLINEAGE_URL=url)
        assert not sender.spooled
        return Performance(receiver, sender.process)

    @pytest.fixture(scope="class")
    @classmethod
    def unheard(cls, folder: Path) -> Performance:
        """The chain, with an endpoint without a server."""
        return play(cls().execute, "chain", folder / "unheard", OPENLINEAGE_URL=_NOBODY)

    @pytest.fixture(scope="class")
    @classmethod
    def hanging_url(cls) -> Iterator[str]:
        """An endpoint that takes connections and never answers."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            connections: list[socket.socket] = []
            threading.Thread(target=_accept_all, args=(server, connections), daemon=True).start()
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
            for connection in connections:
                connection.close()

    # -- events
    # -----------------------------------------------------------------------------------------------

    def test_every_event_is_valid_openlineage(
        self, chain: Performance, failing: Performance
    ) -> None:
        """Check every event against the official schemas."""
        wrong = [
            (event["job"]["name"], issues)
            for event in chain.events + failing.events
            if (issues := problems(event))
        ]
        assert chain.events
        assert not wrong

    def test_every_run_starts_once_and_ends_once(self, fan_out: Performance) -> None:
        """Check that each run has one START and one end, and that START comes first."""
        starts = Counter(e["run"]["runId"] for e in fan_out.events if e["eventType"] == "START")
        ends = Counter(e["run"]["runId"] for e in fan_out.events if e["eventType"] in _TERMINAL)
        assert starts == ends
        assert set(starts.values()) == {1}

    def test_rerun_has_the_same_jobs_and_new_runs(
        self, chain: Performance, sent: Performance
    ) -> None:
        """Names are stable, ids are new."""
        assert _jobs(sent) == _jobs(chain)
        assert not _run_ids(sent) & _run_ids(chain)

    # -- registry
    # ---------------------------------------------------------------------------------------------

    def test_chain_is_one_path_from_input_to_result(self, chain: Performance) -> None:
        """The output of one step is the input of the next."""
        assert chain.process.returncode == 0, chain.explained()
        first, second, third = (chain.step(name) for name in ("first", "second", "third"))
        assert "input.txt" in chain.files(first, "input")
        assert "c.txt" in chain.files(third, "output")
        assert chain.feeds(first, second), chain.explained()
        assert chain.feeds(second, third), chain.explained()
        assert not chain.feeds(third, first)

    def test_steps_are_completed_children_of_the_workflow(self, chain: Performance) -> None:
        """Check the parents of the steps, their engine and their times."""
        workflow = chain.workflow()
        steps = [chain.step(name) for name in ("first", "second", "third")]
        assert {step["parent"] for step in steps} == {workflow["uid"]}
        for run in (workflow, *steps):
            assert (run["status"], run["engine"], run["attempt"]) == ("completed", self.engine, 1)
            assert run["started_at"] <= run["finished_at"]

    def test_every_file_has_a_content_hash(self, chain: Performance) -> None:
        """All bytes of it, hashed as everyone else does."""
        files = [
            artifact
            for artifact in chain.view["artifacts"]
            if Path(artifact["path"]).suffix == ".txt"
        ]
        assert files
        assert {file["hash_type"] for file in files} == {"blake3"}
        assert all(len(file["hash"]) == 64 and file["size"] > 0 for file in files)

    def test_fan_out_is_several_runs_of_one_transform(self, fan_out: Performance) -> None:
        """Check that each run has its own file and that the last step reads all of them."""
        assert fan_out.process.returncode == 0, fan_out.explained()
        split, gather, works = fan_out.step("split"), fan_out.step("gather"), fan_out.steps("work")
        assert len(works) == 3, fan_out.explained()
        assert len({work["transform"] for work in works}) == 1
        assert sorted(
            name
            for work in works
            for name in fan_out.files(work, "output")
            if name.startswith("done")
        ) == [
            "done_1.txt",
            "done_2.txt",
            "done_3.txt",
        ]
        assert all(fan_out.feeds(split, work) and fan_out.feeds(work, gather) for work in works)

    def test_failed_step_is_a_failed_run_with_its_message(self, failing: Performance) -> None:
        """The workflow has failed with it, and what went well before stays so."""
        assert failing.process.returncode != 0, failing.explained()
        good, bad = failing.step("good"), failing.step("bad")
        assert (good["status"], bad["status"], failing.workflow()["status"]) == (
            "completed",
            "failed",
            "failed",
        )
        assert failing.feeds(good, bad)
        events = [
            e
            for e in failing.events
            if e["run"]["runId"] == bad["external_id"] and e["eventType"] == "FAIL"
        ]
        assert events[0]["run"]["facets"]["errorMessage"]["message"]

    def test_copy_of_an_input_has_the_original_as_input(self, failing: Performance) -> None:
        """Equal content makes no file the other: `good.txt` is an unchanged copy, which the next step reads."""
        good, bad = failing.step("good"), failing.step("bad")
        contents = {Path(file["path"]).name: file["hash"] for file in failing.view["artifacts"]}
        assert contents["input.txt"] == contents["good.txt"]
        copies = {"input.txt", "good.txt"}
        assert failing.files(good, "input") & copies == {"input.txt"}, failing.explained()
        assert failing.files(good, "output") & copies == {"good.txt"}, failing.explained()
        assert failing.files(bad, "input") & copies == {"good.txt"}, failing.explained()

    def test_parameters_keep_their_types(self, params: Performance) -> None:
        """The runs of the step, or of its workflow if the engine has only those."""
        assert params.process.returncode == 0, params.explained()
        reported_params = {**params.workflow()["params"], **params.step("tell")["params"]}
        assert (reported_params.get("alpha"), reported_params.get("label")) == (3, "x y"), (
            reported_params
        )

    def test_events_over_http_give_the_same_registry(
        self, chain: Performance, sent: Performance
    ) -> None:
        """Over real HTTP, into a registry that the process itself does not see."""
        assert sent.process.returncode == 0, sent.explained()
        assert _jobs(sent) == _jobs(chain)
        first, second, third = (sent.step(name) for name in ("first", "second", "third"))
        assert sent.feeds(first, second), sent.explained()
        assert sent.feeds(second, third), sent.explained()
        assert {run["status"] for run in sent.view["runs"]} == {"completed"}

    # -- nothing of ours touches the user's job
    # -----------------------------------------------------------------

    def test_job_without_a_receiver_is_unchanged_and_its_events_are_spooled(
        self, unheard: Performance, chain: Performance
    ) -> None:
        """One warning, the same files and exit code, every event in the spool."""
        assert unheard.process.returncode == 0, unheard.explained()
        assert _contents(unheard, "chain") == _contents(chain, "chain")
        assert _jobs(unheard, spooled=True) == _jobs(chain)

    def test_hanging_receiver_neither_fails_nor_delays_the_job(
        self, hanging_url: str, chain: Performance, folder: Path
    ) -> None:
        """The events wait in the spool."""
        hung = play(
            self.execute, "chain", folder / "hung", OPENLINEAGE_URL=hanging_url, LAMIN_PATIENCE="2"
        )
        assert hung.process.returncode == 0, hung.explained()
        assert _contents(hung, "chain") == _contents(chain, "chain")
        assert _jobs(hung, spooled=True) == _jobs(chain)


def _accept_all(server: socket.socket, connections: list[socket.socket]) -> None:
    while True:
        try:
            connections.append(server.accept()[0])
        except OSError:
            return


def _jobs(played: Performance, *, spooled: bool = False) -> set[tuple[str, str]]:
    events = played.spooled if spooled else played.events
    return {(event["job"]["namespace"], event["job"]["name"]) for event in events}


def _run_ids(played: Performance) -> set[str]:
    return {event["run"]["runId"] for event in played.events}


def _contents(played: Performance, pipeline: str) -> dict[str, str]:
    """The final files, wherever the engine puts them."""
    expected = _FINAL_FILES[pipeline]
    skipped = {"work", "spool", "data"}
    paths = (
        path
        for path in played.workdir.rglob("*.txt")
        if not skipped & set(path.relative_to(played.workdir).parts)
    )
    return {path.name: path.read_text() for path in paths if path.name in expected}
