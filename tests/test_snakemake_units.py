"""The parts of the adapter that need no engine: content of files, code of rules, what a bare record tells."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lamin_core.storage.digest_cache import SHELVED_FROM, DigestShelf
from lamin_core.storage.hashing import Digest, digest
from lamin_snakemake import facts, source
from lamin_snakemake.facts import File
from openlineage.lamin.emit.sinks import MemorySink
from snakemake_logger_plugin_lamin import digests, held_files
from snakemake_logger_plugin_lamin.digests import Contents, stamp
from snakemake_logger_plugin_lamin.event_extractor import EventExtractor
from snakemake_logger_plugin_lamin.held_files import hold, release
from snakemake_logger_plugin_lamin.listener import Listener
from snakemake_logger_plugin_lamin.recording import SNAKEMAKE_LOGGER, Recording


def seen(path: Path) -> File:
    return File(str(path), stamp=stamp(str(path)))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were hashed, in order."""
    paths: list[str] = []

    def counted(path: str) -> Digest:
        paths.append(path)
        return digest(path)

    monkeypatch.setattr(digests, "digest", counted)
    return paths


def test_file_is_hashed_once_until_it_changes(tmp_path: Path, hashed: list[str]) -> None:
    path, contents = tmp_path / "a.txt", Contents()
    path.write_text("one")
    first = contents.dataset(seen(path))
    assert contents.dataset(seen(path)) == first
    path.write_text("three")
    assert contents.dataset(seen(path)).hash != first.hash
    assert len(hashed) == 2


def test_folder_is_listed_and_hashed_once_until_a_job_writes_into_it(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, contents = tmp_path / "folder", Contents()
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("one")
    first = contents.dataset(seen(folder))
    with monkeypatch.context() as patch:
        patch.setattr(digests, "_signature", lambda path: pytest.fail("listed again"))
        assert contents.dataset(seen(folder)) == first
        assert not contents.takes_long([seen(folder)])
    (folder / "deep" / "a.txt").write_text("three")
    contents.written([seen(folder / "deep" / "a.txt")])
    assert contents.dataset(seen(folder)).hash != first.hash
    assert len(hashed) == 2


def test_file_changed_after_the_job_has_no_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    file = seen(path)
    path.write_text("three")
    dataset = Contents().dataset(file)
    assert (dataset.hash, dataset.size) == (None, 3)


def test_open_file_can_be_hashed_after_its_removal(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    expected = digest(path).hash
    file = hold(seen(path))
    path.unlink()
    assert Contents().dataset(file).hash == expected
    release(file)


def test_number_of_open_files_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    files = [hold(seen(path)) for _ in range(held_files.HELD + 10)]
    assert sum(file.descriptor is not None for file in files) == held_files.HELD
    for file in files:
        release(file)
    again = hold(seen(path))
    assert again.descriptor is not None
    release(again)


def test_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert stamp(str(tmp_path / "pipe")) is None
    assert hold(seen(tmp_path / "pipe")).descriptor is None


def test_hash_limit_applies_to_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("0123456789")
    contents = Contents(limit=5)
    assert contents.dataset(seen(tmp_path / "folder")).hash is None
    assert contents.dataset(seen(tmp_path / "folder" / "a.txt")).size == 10
    assert contents.dataset(seen(tmp_path / "folder" / "a.txt")).hash is None


def test_large_files_hashed_by_an_earlier_invocation_are_not_hashed_again(
    tmp_path: Path, hashed: list[str]
) -> None:
    shelf = DigestShelf(tmp_path / "cache" / "digests.db")
    long_ago = time.time_ns() - 10**11
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "large.bin", tmp_path / "folder" / "large.bin"):
        path.write_bytes(os.urandom(SHELVED_FROM))
        os.utime(path, ns=(long_ago, long_ago))
    files = [seen(tmp_path / "large.bin"), seen(tmp_path / "folder")]
    first = Contents(shelf=shelf).datasets(files)
    hashed.clear()
    assert Contents(shelf=shelf).datasets(files) == first
    assert hashed == []
    (tmp_path / "folder" / "large.bin").write_bytes(b"other")
    assert Contents(shelf=shelf).dataset(seen(tmp_path / "folder")) != first[1]
    assert hashed == [str(tmp_path / "folder")]


def test_hurried_contents_return_only_cached_hashes(tmp_path: Path) -> None:
    contents = Contents()
    for name in "ab":
        (tmp_path / name).write_text(name)
    before = contents.dataset(seen(tmp_path / "a"))
    contents.hurried = True
    assert contents.dataset(seen(tmp_path / "a")) == before
    assert (
        contents.dataset(seen(tmp_path / "b")).hash,
        contents.dataset(seen(tmp_path / "b")).size,
    ) == (None, 1)


SNAKEFILE = '''
if True:
    rule a:  # the first
        input: "x"
        # about the shell
        shell:
            """
  unindented {input}
            """
        # a last word
    rule one_line: input: "x"

rule b:
    output:
        "b.txt",
    run:
        if True:
            x = {"shell": 1}
        lambda: 1
checkpoint c:
    shell: "echo "
           "c"
    threads: 2
def f():
    pass
rule twice:
    shell: "1"
rule twice:
    shell: "2"
'''


@pytest.mark.parametrize(
    ("rule", "keyword", "text"),
    [
        ("a", "shell", 'shell:\n            """\n  unindented {input}\n            """'),
        ("b", "run", 'run:\n    if True:\n        x = {"shell": 1}\n    lambda: 1'),
        ("c", "shell", 'shell: "echo "\n       "c"'),
        ("c", "run", None),
        ("twice", "shell", None),
        ("unknown", "shell", None),
    ],
)
def test_directive_is_extracted_unchanged(rule: str, keyword: str, text: str | None) -> None:
    result = source.directive(SNAKEFILE, rule, keyword)
    assert (result and result.split()) == (text and text.split())


def test_invalid_snakefile_has_no_directives() -> None:
    assert source.directive('rule a:\n  shell: """', "a", "shell") is None


def test_source_of_a_notebook_is_its_code_without_outputs(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(
        '{"cells": [{"cell_type": "code", "source": ["x = 1\\n", "x"], "outputs": [1]},'
        ' {"cell_type": "markdown", "source": ["text"]}, {"cell_type": "code", "source": ["y"]}]}'
    )
    rule = facts.Rule("a", "", facts.Code("notebook", path=str(path)))
    assert source.Sources().of_rule(rule) == ("x = 1\nx\n\ny", "python")


def test_events_from_records_only_are_reduced(tmp_path: Path) -> None:
    """Should a later Snakemake keep its jobs out of sight, less is told, and nothing breaks."""
    recorded: list[facts.Fact] = []
    tap = EventExtractor(recorded.append, Contents(), lambda workflow: None)
    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "out.txt").write_text("out")

    def log(event: str, **fields: object) -> None:
        record = logging.makeLogRecord({"event": SimpleNamespace(name=event), "msg": "", **fields})
        assert tap.filter(record)

    log(
        "WORKFLOW_STARTED",
        workflow_id="00000000-0000-4000-8000-000000000000",
        snakefile_main="wf/Snakefile",
    )
    log("JOB_STARTED", jobs=[3])
    log(
        "JOB_INFO",
        jobid=3,
        rule_name="a",
        wildcards={"x": "1"},
        input=[f"{tmp_path}/in.txt"],
        output=[f"{tmp_path}/out.txt"],
    )
    log("JOB_FINISHED", job_id=3)
    log("ERROR", exception="WorkflowError")
    sink = MemorySink()
    listener = Listener(sink, Contents())
    for fact in recorded:
        listener.hear(fact)
    listener.hear(facts.Closed(2.0))
    assert [(event["eventType"], event["job"]["name"]) for event in sink.events] == [
        ("START", "Snakefile"),
        ("START", "Snakefile:a"),
        ("COMPLETE", "Snakefile:a"),
        ("FAIL", "Snakefile"),
    ]
    assert sink.events[1]["inputs"][0]["facets"]["lamin_artifact"]["size"] == 2


def test_unreadable_record_passes_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tap = EventExtractor(lambda fact: None, Contents(), lambda workflow: None)
    start = {
        "event": SimpleNamespace(name="WORKFLOW_STARTED"),
        "workflow_id": "x",
        "snakefile_main": "Snakefile",
    }
    assert tap.filter(logging.makeLogRecord(start))
    for _ in range(2):
        assert tap.filter(logging.makeLogRecord({"event": SimpleNamespace(name="JOB_INFO")}))
    assert [record.message for record in caplog.records] == [
        "lineage is incomplete: AttributeError: 'LogRecord' object has no attribute 'jobid'"
    ]


def test_closed_recording_restores_logger_and_environment() -> None:
    before = dict(os.environ)
    recording = Recording()
    assert logging.getLogger(SNAKEMAKE_LOGGER).filters
    recording.close()
    recording.close()
    assert not logging.getLogger(SNAKEMAKE_LOGGER).filters
    assert dict(os.environ) == before
