"""Files that Prefect runs read and write: passed, returned or declared."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lamin_prefect

if TYPE_CHECKING:
    from tests.support.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here

pytest_plugins = ["tests.support.prefect_server"]
# Prefect leaves its connections to the garbage collector at the end of an asynchronous flow.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def test_path_arguments_are_inputs_and_returned_paths_outputs(
    recorded: RecordedEvents,
) -> None:
    @ours.task
    def shout(source: Path, target: Path, settings: dict[str, Any]) -> dict[str, list[Path]]:
        target.write_text(source.read_text().upper())
        return {"made": [target, Path("never written")]}

    @ours.flow
    def pipeline(source: Path) -> None:
        shout(source, Path("out.txt"), {"more": (Path("b.txt"), "c.txt")})

    for name in ("a.txt", "b.txt", "c.txt"):
        Path(name).write_text(name)
    pipeline("a.txt")
    run = recorded.run("shout")
    assert run.inputs == ["a.txt", "b.txt", "c.txt"]
    assert run.outputs == ["out.txt"]
    assert [dataset["name"] for dataset in run.events[1]["inputs"]] == [
        os.path.abspath(name) for name in ("a.txt", "b.txt", "c.txt")
    ]
    assert all(
        dataset["facets"]["lamin_artifact"]["hash_type"] == "blake3"
        for dataset in run.events[1]["inputs"]
    )
    assert recorded.run("pipeline").inputs == ["a.txt"]


def test_text_argument_is_a_path_if_it_looks_like_a_file_of_the_project(
    recorded: RecordedEvents,
) -> None:
    @ours.task
    def look(declared: Path | None, plain: str, name: str, elsewhere: str, url: str) -> str:
        os.makedirs("out", exist_ok=True)
        Path("out/c.txt").write_text(plain)
        return "out/c.txt"

    @ours.flow
    def pipeline() -> None:
        look("a.txt", "b.txt", "liver", str(outside), "https://host/b.txt")

    outside = recorded.spool.parent / "outside.txt"
    for path in (Path("a.txt"), Path("b.txt"), Path("liver"), outside):
        path.write_text("a")
    pipeline()
    run = recorded.run("look")
    assert (run.inputs, run.outputs) == (["a.txt", "b.txt"], ["c.txt"])


def test_text_argument_that_names_no_file_is_not_a_dataset(recorded: RecordedEvents) -> None:
    @ours.task
    def look(ratio: str, folder: str, sentence: str) -> str:
        return "and/or"

    @ours.flow
    def pipeline() -> None:
        look("0.5", "raw/", "this/that\nand so on.")

    Path("raw").mkdir()
    Path("raw/a.txt").write_text("a")
    pipeline()
    run = recorded.run("look")
    assert (run.inputs, run.outputs) == ([], [])


def test_file_passed_through_is_an_output_only_if_written(
    recorded: RecordedEvents,
) -> None:
    @ours.task
    def look(path: Path) -> Path:
        return path

    @ours.task
    def change(path: Path) -> Path:
        path.write_text("b")  # as many bytes as before
        return path

    @ours.flow
    def pipeline() -> None:
        path = Path("a.txt")
        path.write_text("a")
        look(path)
        change(path)
        look(path)

    pipeline()
    before, after = recorded.runs("look")
    assert (before.outputs, after.outputs) == ([], [])
    changed = recorded.run("change")
    assert (changed.inputs, changed.outputs) == ([], ["a.txt"])
    written, read = changed.events[1]["outputs"][0], after.events[1]["inputs"][0]
    assert written["facets"]["version"] == read["facets"]["version"]
    assert before.events[1]["inputs"][0]["facets"]["version"] != written["facets"]["version"]


@dataclass
class Paths:
    """Arguments in a bundle."""

    target: Path


def _write(target: Any) -> None:
    Path(target).write_text("new")


def _append(target: Any) -> None:
    with open(target, "a") as file:
        file.write("more")


def _sort(target: Any) -> None:
    lines = Path(target).read_text().splitlines()
    Path(target).write_text("\n".join(sorted(lines)))


def _replace(target: Any) -> None:
    Path("new.tmp").write_text("new")
    os.replace("new.tmp", target)


def _write_and_read(target: Any) -> None:
    Path(target).write_text("new")
    assert Path(target).read_text() == "new"


def _write_by_a_program(target: Any) -> None:
    subprocess.run(["cp", "other.txt", target], check=True)


@pytest.mark.parametrize(
    ("work", "is_read"),
    [
        (_write, False),
        (_append, True),
        (_sort, True),
        (_replace, False),
        (_write_and_read, False),
        (_write_by_a_program, False),
    ],
)
def test_written_path_argument_is_an_output_and_only_if_read_an_input(
    recorded: RecordedEvents, work: Any, is_read: bool
) -> None:
    @ours.task(cache_policy=None)
    def by_path(target: Path) -> None:
        work(target)

    @ours.task(cache_policy=None)
    def by_text(target: str) -> None:
        work(target)

    @ours.task(cache_policy=None)
    def by_list(targets: list[Path]) -> None:
        work(targets[0])

    @ours.task(cache_policy=None)
    def by_dataclass(paths: Paths) -> None:
        work(paths.target)

    @ours.flow
    def pipeline() -> None:
        for _ in range(2):
            by_path(Path("out.txt"))
            by_text("out.txt")
            by_list([Path("out.txt")])
            by_dataclass(Paths(Path("out.txt")))

    Path("other.txt").write_text("other")
    Path("out.txt").write_text("b\na")
    pipeline()
    for job in ("by_path", "by_text", "by_list", "by_dataclass"):
        for run in recorded.runs(job):
            assert run.outputs == ["out.txt"], job
            assert run.inputs == (["out.txt"] if is_read else []), job


def test_path_argument_of_a_task_that_fails_before_writing_is_no_dataset(
    recorded: RecordedEvents,
) -> None:
    @ours.task(retries=1)
    def clean(raw: Path, out: Path) -> None:
        text = raw.read_text()
        if lamin_prefect.current_run().run_id not in seen:
            seen.append(lamin_prefect.current_run().run_id)
        if len(seen) < 2:
            raise ValueError("not yet")
        out.write_text(text.lower())

    @ours.flow
    def pipeline() -> None:
        clean(Path("raw.txt"), Path("out.txt"))

    seen: list[str] = []
    Path("raw.txt").write_text("RAW")
    Path("out.txt").write_text("of a run long ago")
    pipeline()
    failed, completed = recorded.runs("clean")
    assert (failed.inputs, failed.outputs) == (["raw.txt"], [])
    assert (completed.inputs, completed.outputs) == (["raw.txt"], ["out.txt"])
    flow = recorded.run("pipeline")
    assert (flow.inputs, flow.outputs) == ([], [])


def test_folder_argument_that_is_written_into_is_an_output(recorded: RecordedEvents) -> None:
    @ours.task
    def fill(folder: Path) -> None:
        (folder / "b.txt").write_text("b")

    @ours.flow
    def pipeline(folder: Path) -> None:
        fill(folder)

    Path("folder").mkdir()
    Path("folder/a.txt").write_text("a")
    pipeline(Path("folder"))
    run, flow = recorded.run("fill"), recorded.run("pipeline")
    assert (run.inputs, run.outputs) == ([], ["folder"])
    assert (flow.inputs, flow.outputs) == ([], ["folder"])


def test_folder_argument_is_an_input_unless_results_are_written_into_it(
    recorded: RecordedEvents,
) -> None:
    @ours.task
    def convert(source: Path, results: Path, here: Path) -> Path:
        target = results / "out.txt"
        target.write_text(str(len(list(source.iterdir()))))
        return target

    @ours.flow
    def pipeline() -> None:
        convert(Path("source"), Path("results"), Path())

    for folder in ("source", "results"):
        Path(folder).mkdir()
        Path(folder, "one.txt").write_text("1")
    pipeline()
    run = recorded.run("convert")
    assert (run.inputs, run.outputs) == (["source"], ["out.txt"])
    assert run.events[1]["inputs"][0]["facets"]["lamin_artifact"]["n_files"] == 1


def test_url_argument_is_an_input_and_returned_url_an_output(recorded: RecordedEvents) -> None:
    class Remote:
        """A path with the attributes of universal_pathlib, without a network."""

        protocol = "s3"

        def __init__(self, url: str) -> None:
            self.url = url

        @property
        def path(self) -> str:
            return self.url.partition("://")[2]

        def __str__(self) -> str:
            return self.url

        def exists(self) -> bool:
            raise ConnectionError("nobody asked you")

    @ours.task
    def copy(source: Any, target: Any) -> Any:
        return target

    @ours.flow
    def pipeline() -> None:
        copy(Remote("s3://bucket/in/a.csv"), Remote("s3://bucket/out/b.csv"))

    pipeline()
    run = recorded.run("copy")
    assert (run.inputs, run.outputs) == (["a.csv"], ["b.csv"])
    assert run.events[1]["outputs"][0]["namespace"] == "s3://bucket"


def test_artifact_like_argument_is_an_input(recorded: RecordedEvents) -> None:
    class Artifact:
        uid = "0123456789abcdef0000"

        def __init__(self, path: Path) -> None:
            self._path = path

        @property
        def path(self) -> Path:
            return self._path

    @ours.task
    def copy(source: Artifact) -> Artifact:
        Path("copy.txt").write_text(source.path.read_text())
        return Artifact(Path("copy.txt"))

    @ours.flow
    def pipeline() -> None:
        copy(Artifact(Path("a.txt")))

    Path("a.txt").write_text("a")
    pipeline()
    run = recorded.run("copy")
    assert (run.inputs, run.outputs) == (["a.txt"], ["copy.txt"])


def test_files_can_be_declared_or_reported_by_read_and_wrote(recorded: RecordedEvents) -> None:
    @ours.task(inputs="raw/{name}.csv", outputs=["clean/{name}.csv", Path("log.txt")])
    def clean(name: str) -> None:
        Path("clean").mkdir()
        Path(f"clean/{name}.csv").write_text(Path(f"raw/{name}.csv").read_text())
        Path("log.txt").write_text("done")
        lamin_prefect.read("table.txt")
        assert lamin_prefect.wrote(Path("notes.txt")) == Path("notes.txt")
        Path("notes.txt").write_text("written afterwards")

    @ours.flow
    def pipeline() -> None:
        clean("liver")

    Path("raw").mkdir()
    Path("raw/liver.csv").write_text("1")
    Path("table.txt").write_text("2")
    pipeline()
    run = recorded.run("clean")
    assert run.inputs == ["liver.csv", "table.txt"]
    assert run.outputs == ["liver.csv", "log.txt", "notes.txt"]


@pytest.mark.parametrize(
    "name",
    ["two words.txt", 'it\'s "quoted".txt', "(näher) 日本.txt", "a\nb.txt", "{brace}%20#?.txt"],
)
def test_unusual_file_names_are_recorded_unchanged(recorded: RecordedEvents, name: str) -> None:
    @ours.task
    def copy(source: Path) -> Path:
        target = source.with_name(f"copy of {source.name}")
        target.write_text(source.read_text())
        return target

    @ours.flow
    def pipeline() -> None:
        copy(Path(name))

    Path(name).write_text("a")
    pipeline()
    run = recorded.run("copy")
    assert (run.inputs, run.outputs) == ([name], [f"copy of {name}"])
    assert run.params == {"source": name}


def test_file_returned_by_a_flow_is_published_if_a_task_wrote_it(recorded: RecordedEvents) -> None:
    @ours.task
    def make() -> Path:
        Path("a.txt").write_text("a")
        return Path("a.txt")

    @ours.flow
    def pipeline() -> list[Path]:
        Path("b.txt").write_text("b")
        return [make(), Path("b.txt")]

    pipeline()
    outputs = recorded.run("pipeline").events[-1]["outputs"]
    roles = {
        Path(dataset["name"]).name: dataset["facets"]["lamin_artifact"].get("role")
        for dataset in outputs
    }
    assert roles == {"a.txt": "published", "b.txt": None}


def test_rollback_marks_the_outputs_as_rolled_back(recorded: RecordedEvents) -> None:
    from prefect.transactions import transaction

    @ours.task
    def write() -> Path:
        Path("a.txt").write_text("a")
        return Path("a.txt")

    @write.on_rollback
    def remove(txn: Any) -> None:
        Path("a.txt").unlink()

    @ours.flow
    def pipeline() -> None:
        with transaction():
            write()
            raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        pipeline()
    assert not Path("a.txt").exists()
    run = recorded.run("write")
    assert run.kinds == ["START", "COMPLETE", "RUNNING"]
    assert run.events[2]["outputs"][0]["facets"]["lamin_artifact"]["role"] == "rolled_back"


def test_undeclared_files_are_recorded_when_opened(recorded: RecordedEvents) -> None:
    @ours.task
    def count(organ: str, log: Path) -> int:
        lines = Path(f"{organ}.csv").read_text().splitlines()
        Path(f"{organ}.txt").write_text(str(len(lines)))
        log.write_text("counted")
        return len(lines)

    @ours.task
    def fail() -> None:
        Path("half.txt").write_text(Path("liver.csv").read_text())
        raise ValueError("no more")

    @ours.flow
    def pipeline() -> str:
        count("liver", Path("count.log"))
        fail(return_state=True)
        return Path("liver.txt").read_text() + Path("config.txt").read_text()

    Path("liver.csv").write_text("a\n")
    Path("config.txt").write_text("a")
    pipeline()
    task = recorded.run("count")
    assert (task.inputs, sorted(task.outputs)) == (["liver.csv"], ["count.log", "liver.txt"])
    assert (recorded.run("fail").inputs, recorded.run("fail").outputs) == (["liver.csv"], [])
    flow = recorded.run("pipeline")
    assert (flow.inputs, flow.outputs) == (["config.txt"], [])


def test_opened_files_are_not_recorded_if_the_setting_is_off(
    recorded: RecordedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ours.task
    def count(target: Path) -> None:
        target.write_text(Path("a.csv").read_text())
        Path("b.txt").write_text("1")

    @ours.flow
    def pipeline() -> None:
        count(Path("out.txt"))

    monkeypatch.setenv("LAMIN_WATCH_FILES", "no")
    for name in ("a.csv", "out.txt"):
        Path(name).write_text("a")
    pipeline()
    assert (recorded.run("count").inputs, recorded.run("count").outputs) == ([], ["out.txt"])
