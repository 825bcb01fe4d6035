"""What files Prefect runs read and write: passed, returned, declared or said; as they are recorded."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lamin_prefect

if TYPE_CHECKING:
    from tests.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here

pytest_plugins = ["tests.prefect_server"]
# Prefect leaves its connections to the garbage collector at the end of an asynchronous flow.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def test_files_are_inputs_where_they_go_in_and_outputs_where_they_come_out(
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
    assert run.inputs == ["a.txt", "b.txt"]
    assert run.outputs == ["out.txt"]
    assert [dataset["name"] for dataset in run.events[0]["inputs"]] == [
        os.path.abspath("a.txt"),
        os.path.abspath("b.txt"),
    ]
    assert all(
        dataset["facets"]["lamin_artifact"]["hash_type"] == "blake3"
        for dataset in run.events[0]["inputs"]
    )
    assert recorded.run("pipeline").inputs == ["a.txt"]


def test_text_is_a_path_only_where_the_annotation_says_so(recorded: RecordedEvents) -> None:
    @ours.task
    def look(declared: Path | None, unsaid: str) -> None: ...

    @ours.flow
    def pipeline() -> None:
        look("a.txt", "b.txt")

    Path("a.txt").write_text("a")
    Path("b.txt").write_text("b")
    pipeline()
    assert recorded.run("look").inputs == ["a.txt"]


def test_a_file_handed_through_is_an_output_only_if_it_changed(recorded: RecordedEvents) -> None:
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
    assert [run.outputs for run in recorded.runs("look")] == [[], []]
    changed = recorded.run("change")
    assert changed.outputs == ["a.txt"]
    before, after = changed.events[0]["inputs"][0], changed.events[1]["outputs"][0]
    assert before["facets"]["lamin_artifact"]["hash"] != after["facets"]["lamin_artifact"]["hash"]
    assert (
        recorded.runs("look")[1].events[0]["inputs"][0]["facets"]["version"]
        == after["facets"]["version"]
    )


def test_a_folder_is_an_input_unless_results_were_put_into_it(recorded: RecordedEvents) -> None:
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


def test_a_url_is_an_input_unless_it_is_returned(recorded: RecordedEvents) -> None:
    class Remote:
        """As universal_pathlib looks, without a network."""

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


def test_an_artifact_is_known_by_its_looks(recorded: RecordedEvents) -> None:
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


def test_files_that_are_not_passed_are_declared_or_said(recorded: RecordedEvents) -> None:
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
def test_file_names_may_be_odd(recorded: RecordedEvents, name: str) -> None:
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


def test_the_flows_own_result_is_published_where_a_task_wrote_it(recorded: RecordedEvents) -> None:
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


def test_a_rollback_marks_what_was_written(recorded: RecordedEvents) -> None:
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
