"""Output of commands: output that cannot be written is an error, and no output moves a terminal's cursor."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, String, Table, Text, insert, update

import lamin_core as ln
from lamin_core.cli import messages, output
from lamin_core.cli.resolve import REGISTRIES
from lamin_core.instance.instance import Instance, connect, disconnect, init
from lamin_core.models import Base, Event, Storage, now
from tests.support.commands import Done, typed

COMMAND = [sys.executable, "-m", "lamin_core"]
ESCAPES = "\x1b]0;title\x07\x1b[31m\x9b2J\u202e"
"""The title of a window, a bell, a colour, an empty screen (in one character) and text from right to left."""
IDENTIFIERS = {
    *(
        "uid",
        "stem",
        "hash",
        "hash_type",
        "sha256",
        "external_id",
        "run_id",
        "root_run_id",
        "event_hash",
    ),
    *(
        "status",
        "origin",
        "direction",
        "role",
        "slot",
        "dtype",
        "itype",
        "event_type",
        "body",
        "stamp",
        "host",
    ),
    *("process_birth", "root", "real_key", "suffix", "canonical"),
}
"""Columns that hold digests, uids or one of some words, or where a file lies."""


@pytest.fixture
def story(in_tmp_path: Path) -> Path:
    """An instance with a run, its input and its output."""
    init("./data")
    _fill(in_tmp_path)
    disconnect()
    return in_tmp_path


def _fill(folder: Path) -> None:
    (folder / "in.csv").write_text("x\n1\n")
    ln.Artifact(folder / "in.csv", key="in.csv").save()
    for text in ("x\n2\n", "x\n3\n"):
        with ln.run("double.py", params={"factor": text}, kind="script"):
            ln.Artifact.get(key="in.csv").load()
            (folder / "out.csv").write_text(text)
            ln.Artifact(folder / "out.csv", key="out.csv").save()


@pytest.fixture(params=["", "1"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """An environment in which Python keeps back what it prints, and one in which it does not."""
    names = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return names | ({"PYTHONUNBUFFERED": request.param} if request.param else {})


_REFUSED = "lamin: standard output cannot be written: "


@pytest.mark.parametrize(
    "arguments", [["runs"], ["list", "--json"], ["--help"], ["--version"], ["runs", "--help"]]
)
def test_unwritable_output_is_an_error(
    story: Path, environment: dict[str, str], arguments: list[str]
) -> None:
    with open("/dev/full", "w") as full:
        command = [*COMMAND, *arguments]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"{_REFUSED}No space left on device",
    )


@pytest.mark.parametrize("arguments", ["runs", "--help", "--version"])
def test_closed_output_is_an_error(
    story: Path, environment: dict[str, str], arguments: str
) -> None:
    done = _shell(f'"$@" {arguments} >&-', environment)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"{_REFUSED}Bad file descriptor",
    )


def test_closed_output_is_not_an_error_if_nothing_is_printed(
    story: Path, environment: dict[str, str]
) -> None:
    done = _shell('"$@" settings set verbosity error >&- <&-', environment)
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        [f"verbosity is error ({story}/.lamin/instance.toml)"],
    )


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_errors_that_cannot_be_printed_keep_the_exit_code(
    story: Path, environment: dict[str, str], where: str
) -> None:
    assert _shell(f'"$@" get nothing {where}', environment).returncode == 3
    assert _shell(f'"$@" settings set verbosity error {where}', environment).returncode == 0


def test_closed_streams_do_not_write_into_the_database(
    story: Path, environment: dict[str, str]
) -> None:
    assert (
        _shell(
            '"$@" run sh -c "echo text; echo text >&2; true" >&- 2>&- <&-', environment
        ).returncode
        == 0
    )
    assert typed("fsck", "--deep").stdout.startswith("nothing wrong")


def test_closed_pipe_is_not_an_error(story: Path, environment: dict[str, str]) -> None:
    for arguments in ("--help", "--version", "list --json", "runs"):
        done = _shell(f'set -o pipefail; "$@" {arguments} | true', environment)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_characters_that_an_encoding_lacks_are_escaped(story: Path) -> None:
    ln.ULabel(name="größe 名").save()
    disconnect()
    environment = {**os.environ, "PYTHONIOENCODING": "cp1251"}
    done = _shell('"$@" list ulabel', environment)
    assert done.returncode == 0
    assert "gr\\xf6\\xdfe \\u540d" in done.stdout
    done = _shell('"$@" list ulabel --json', environment)
    assert json.loads(done.stdout)[0]["name"] == "größe 名"


def _shell(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", line, "bash", *COMMAND]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def planted(story: Path) -> Path:
    """The same instance, with escapes in every column of text, and in the name of a file."""
    instance = connect()
    _records()
    name = f"name{ESCAPES}.txt"
    Path(name).write_text("x")
    ln.Artifact(name).save()
    with instance.db.writing() as session:
        for table in Base.metadata.sorted_tables:
            _plant(session, table)
        session.execute(
            insert(Storage).values(
                uid="s" * 12, root=f"/no/{ESCAPES}", type="local", created_at=now()
            )
        )
        for number, body in enumerate((f'{{"a": "{ESCAPES}"}}', "{")):
            values = {
                "hash": f"{number}" * 64,
                "kind": "quarantined",
                "reason": ESCAPES,
                "received_at": now(),
            }
            session.execute(insert(Event).values(body=body, **values))
    disconnect()
    return story


def _records() -> None:
    ln.ULabel(name="label", description="d").save()
    ln.Project(name="project", description="d").save()
    ln.Reference(name="reference", description="d").save()
    ln.Feature(name="note", dtype=str, description="d").save()
    artifact = ln.Artifact.get(key="out.csv")
    artifact.features.add_values({"note": "text"})
    artifact.ulabels.add(ln.ULabel.get(name="label"))
    artifact.projects.add(ln.Project.get(name="project"))
    ln.Collection([artifact], key="collection").save()


def _plant(session: Any, table: Table) -> None:
    for column in table.columns:
        if column.name in IDENTIFIERS or column.foreign_keys or table.name in ("event", "instance"):
            continue
        if isinstance(column.type, JSON):
            planted: Any = {f"name{ESCAPES}": f"value{ESCAPES}"}
            session.execute(update(table).values({column.name: planted}))
        elif isinstance(column.type, String | Text):
            session.execute(update(table).values({column.name: column.concat(ESCAPES)}))


def _unsafe(text: str) -> set[str]:
    """The characters that a terminal obeys."""
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf") and character not in "\n\t"
    }


def _is_harmless(done: Done, *, is_json: bool = False) -> None:
    assert (_unsafe(done.stdout), _unsafe(done.stderr)) == (set(), set()), done
    if is_json:
        json.loads(done.stdout)


def test_records_are_printed_with_escaped_control_characters(planted: Path) -> None:
    for registry in REGISTRIES:
        _are_shown_with_escapes(registry)


def _are_shown_with_escapes(registry: str) -> None:
    _is_harmless(typed("list", registry))
    _is_harmless(typed("list", registry, "--search", f"e{ESCAPES}"))
    rows = typed("list", registry, "--json")
    _is_harmless(rows, is_json=True)
    for row in rows.json:
        for command in ("get", "describe"):
            _is_harmless(typed(command, registry, "--uid", row["uid"]))
            _is_harmless(typed(command, registry, "--uid", row["uid"], "--json"), is_json=True)
        _is_harmless(typed("load", registry, "--uid", row["uid"], code=None))


ANSWERS = (
    *(
        ["lineage", "--all"],
        ["runs"],
        ["artifacts"],
        ["list"],
        ["info"],
        ["settings", "--show-origin"],
    ),
    *(["doctor"], ["fsck"], ["events", "lint"], ["events", "quarantine"], ["keys", "list"]),
)


def test_answers_are_printed_with_escaped_control_characters(planted: Path) -> None:
    for arguments in ANSWERS:
        _is_harmless(typed(*arguments, code=None))
        _is_harmless(typed(*arguments, "--json", code=None), is_json=True)


def test_lineage_and_differences_are_printed_with_escaped_control_characters(planted: Path) -> None:
    runs = [row["uid"] for row in typed("runs", "--json").json]
    for artifact in typed("artifacts", "--json").json:
        for options in ([], ["--down", "4"], ["--json"]):
            _is_harmless(typed("lineage", artifact["uid"], *options))
    _is_harmless(typed("lineage", "--run", runs[0]))
    for options in ([], ["--json"]):
        _is_harmless(typed("diff", runs[0], runs[1], *options))
        _is_harmless(typed("why", runs[0], *options))


def test_json_output_has_the_original_values(planted: Path) -> None:
    names = [row["name"] for row in typed("list", "ulabel", "--json").json]
    assert names == [f"label{ESCAPES}"]


TYPED = (
    *(
        ["get", ESCAPES],
        ["list", ESCAPES],
        ["settings", "get", ESCAPES],
        ["connect", ESCAPES],
        [ESCAPES],
    ),
    *(["runs", "--since", ESCAPES], ["runs", f"--{ESCAPES}"], ["runs", "--status", ESCAPES]),
    *(["save", ESCAPES], ["load", ESCAPES], ["run", ESCAPES], ["backup", f"/no/{ESCAPES}"]),
    *(
        ["run", "--name", ESCAPES, "--param", f"a={ESCAPES}", "--key", ESCAPES, "true"],
        ["lineage", ESCAPES],
    ),
    *(["events", "replay", ESCAPES], ["events", "lint", ESCAPES], ["keys", "create", ESCAPES]),
    *(
        ["keys", "revoke", ESCAPES],
        ["annotate", "in.csv", "--features", ESCAPES],
        ["diff", ESCAPES, "b"],
    ),
    *(["annotate", "in.csv", "--features", f"{ESCAPES}=1"], ["delete", ESCAPES, "--yes"]),
    *(["init", "--db", ESCAPES], ["init", "--modules", ESCAPES], ["track", "--param", ESCAPES]),
    *(["completion", ESCAPES], ["restore", ESCAPES, "--yes"]),
)


def test_arguments_in_errors_are_printed_with_escaped_control_characters(story: Path) -> None:
    for arguments in TYPED:
        _is_harmless(typed(*arguments, code=None))


def test_bad_events_are_summarized_on_one_line_per_kind(story: Path) -> None:
    bad = [
        *(["{"] * 8),
        *([json.dumps({"a": ESCAPES})] * 1),
        *(json.dumps({"a": number}) for number in range(3)),
    ]
    Path("events.ndjson").write_text("\n".join(bad))
    done = typed("events", "replay", "events.ndjson", code=1)
    _is_harmless(done)
    assert done.stdout == "0 taken, 0 known already, 4 put aside\n"
    lines = done.stderr.splitlines()
    assert [re.split(": ", line)[0] for line in lines] == ["put aside, 4", "not read", "hint"]
    assert lines[1].startswith("not read: line 1, line 2, line 3, line 4, line 5 and 3 more: ")
    _is_harmless(typed("events", "quarantine"))
    _is_harmless(typed("events", "retry", code=1))


def test_library_messages_are_one_line_and_tracebacks_only_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ValueError(f"no luck{ESCAPES}")
    except ValueError as error:
        problem = error
    with messages.printed():
        messages.logger.error("events were put aside: %s", problem)
        messages.logger.error("it failed", exc_info=problem)
        with messages.reported_by_command():
            messages.logger.error("said by the command")
        quiet = capsys.readouterr().err
        messages.show_tracebacks(True)
        messages.logger.error("events were put aside: %s", problem)
    shown = "no luck\\x1b]0;title\\x07\\x1b[31m\\x9b2J\\u202e"
    assert quiet == f"events were put aside: {shown}\nit failed: ValueError: {shown}\n"
    assert "Traceback" in capsys.readouterr().err


def test_only_own_colours_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.echo(output.Styled("red\x1b[0m", "red"), " \x1b[31mplain")
    assert capsys.readouterr().out == "\x1b[31m\x1b[1mred\\x1b[0m\x1b[0m \\x1b[31mplain\n"


def test_describe_in_python_escapes_control_characters(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instance: Instance = connect()
    for record in (*ln.Artifact.all(), *ln.Run.all(), *ln.Transform.all()):
        record.describe()
    assert _unsafe(capsys.readouterr().out) == set()
    assert instance.uid
    disconnect()
