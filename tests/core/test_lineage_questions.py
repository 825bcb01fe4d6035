"""Questions as they are asked: names, moments, lists, and the commands that print the answers, on both databases."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

import lamin_core as ln
from lamin_core.cli import lineage as commands
from lamin_core.cli.output import local
from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.lineage.listing import ListFilter
from lamin_core.runtime import current
from lamin_core.runtime.timestamps import parse_time
from tests.core.test_lineage_graph import chain
from tests.support.lineage_graphs import BEGIN, Shape, plant
from tests.support.statements import statements

Write = Callable[[str, str], Path]


def invoke(command: Any, *arguments: str) -> Result:
    """Run the command in this process, on a connection of its own."""
    here = current.current_instance()
    try:
        done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    finally:
        if current.current_instance() is not here:
            cast(Instance, current.current_instance()).db.dispose()
            current.set_current_instance(here)
    assert done.exit_code == 0, done.output
    return done


def invoke_json(command: Any, *arguments: str) -> tuple[Any, str]:
    """The JSON that the command prints, and what it says beside."""
    done = invoke(command, *arguments, "--json")
    return json.loads(done.stdout), done.stderr


def keys(seen: dict[str, Any]) -> list[str]:
    """The artifacts of a view, as `key version`."""
    return sorted(f"{artifact['key']} {artifact['version']}" for artifact in seen["artifacts"])


@pytest.fixture
def story(instance: Instance, write: Write) -> Instance:
    """A script made `out.txt` of `in.txt`, twice; between the two, time passed."""
    write("in.txt", "a")
    ln.Artifact("in.txt", run=False).save()
    for text in ("b", "c"):
        with ln.run("shout.py", params={"text": text}):
            ln.Artifact.get(key="in.txt").load()
            write("out.txt", text)
            ln.Artifact("out.txt").save()
    return instance


def test_find_as_of_a_time_returns_the_version_of_that_time(story: Instance) -> None:
    first, second = ln.Run.filter().order_by("created_at").to_list()
    assert first.finished_at
    assert second.started_at
    between = first.finished_at + (second.started_at - first.finished_at) / 2
    old = story.lineage.find("out.txt", as_of=between)
    assert (old.version, story.lineage.find("out.txt").version) == ("0000", "0001")
    assert story.lineage.find("out.txt", as_of="0s").version == "0001"
    assert story.lineage.find(old.uid[:16], as_of=between).version == "0000"
    seen, _ = invoke_json(commands.lineage, "out.txt", "--as-of", between.isoformat())
    assert keys(seen) == ["in.txt 0000", "out.txt 0000"]
    assert [run["uid"] for run in seen["runs"]] == [first.uid]
    whole, _ = invoke_json(commands.lineage, "--all", "--as-of", between.isoformat())
    assert keys(whole) == ["in.txt 0000", "out.txt 0000"]
    assert keys(invoke_json(commands.lineage, "in.txt", "--as-of", "0s")[0]) == keys(
        invoke_json(commands.lineage, "--all")[0]
    )
    with pytest.raises(NotFound, match=r"there was no 'out.txt' at"):
        story.lineage.find("out.txt", as_of="1w")
    with pytest.raises(NotFound, match=r"there was no 'out.txt' at"):
        story.lineage.find("out.txt", as_of="yesterday")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-02-30",
        "25/11/2026",
        "2026-03-01T25:00",
        "1 fortnight",
        "999999w",
        "0001-01-01",
    ],
)
def test_invalid_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a time") as refused:
        parse_time(text)
    assert "2026-03-01T14:30" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01", "2026-02-28T15:00:00+00:00"),
        ("2026-03-01 14:30", "2026-03-01T05:30:00+00:00"),
        ("2026-03-01T14:30Z", "2026-03-01T14:30:00+00:00"),
        ("2026-03-01T14:30:15.5+05:30", "2026-03-01T09:00:15.500000+00:00"),
        ("20260301", "2026-02-28T15:00:00+00:00"),
    ],
)
def test_time_without_a_zone_is_local(text: str, utc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            assert parse_time(text).isoformat() == utc
            assert local(datetime(2026, 3, 1, 5, 30, tzinfo=UTC)) == "2026-03-01T14:30:00"
    finally:
        time.tzset()


def test_paths_between_two_artifacts_do_not_depend_on_their_order(
    story: Instance, write: Write
) -> None:
    with ln.run("other.py"):
        ln.Artifact.get(key="in.txt").load()
        write("aside.txt", "x")
        ln.Artifact("aside.txt").save()
    for ends in (("in.txt", "out.txt"), ("out.txt", "in.txt")):
        seen, _ = invoke_json(commands.lineage, ends[0], "--to", ends[1])
        assert keys(seen) == ["in.txt 0000", "out.txt 0001"]
        assert len(seen["runs"]) == 1
        shown = invoke(commands.lineage, ends[0], "--to", ends[1]).stdout.splitlines()
        assert shown[0] == "out.txt  v0001"
        assert shown[-1].strip() == "└─ in.txt  v0000"
    assert keys(invoke_json(commands.lineage, "aside.txt", "--to", "out.txt")[0]) == []
    unrelated = invoke(commands.lineage, "aside.txt", "--to", "out.txt").stdout
    assert re.fullmatch(
        r"nothing leads from aside.txt \(\w{20}\) to out.txt \(\w{20}\), nor back\n", unrelated
    )


def test_run_is_found_by_uid_external_id_or_key(story: Instance) -> None:
    first, second = ln.Run.filter().order_by("created_at").to_list()
    for run in (first, second):
        for name in (run.uid, run.uid[:10], run.external_id):
            assert story.lineage.find_run(name).id == run.id
            seen, _ = invoke_json(commands.lineage, "--run", name, "--up", "1", "--down", "1")
            assert [row["uid"] for row in seen["runs"]] == [run.uid]
            assert len(seen["artifacts"]) == 2
    assert story.lineage.find_run("shout.py").id == second.id
    assert story.lineage.find(first.external_id).id == first.id
    with pytest.raises(NotFound, match="no run is called"):
        story.lineage.find_run("nobody.py")
    with pytest.raises(InvalidArgument, match="name an artifact or a run"):
        invoke_json(commands.lineage, "out.txt", "--run", first.uid)


def test_lineage_command_warns_if_the_limit_cuts_the_graph(instance: Instance) -> None:
    first = plant(instance.db, chain(30))
    seen, stderr = invoke_json(commands.lineage, f"{first.artifact + 29}.txt", "--limit", "10")
    assert (seen["truncated"], len(seen["artifacts"]) + len(seen["runs"])) == (True, 10)
    assert "more than these 10 nodes" in stderr
    seen, stderr = invoke_json(commands.lineage, f"{first.artifact + 29}.txt")
    assert (seen["truncated"], stderr) == (False, "")


def test_lists_are_filtered_and_limited(story: Instance, write: Write) -> None:
    with pytest.raises(ZeroDivisionError), ln.run("fail.py"):
        raise ZeroDivisionError
    plant(story.db, Shape(2, 3, [(0, 1, "output", None)], parents=[(2, 0)]))  # months ago

    def transforms(*arguments: str) -> list[str]:
        return [run["transform_key"] for run in invoke_json(commands.runs, *arguments)[0]]

    assert transforms() == ["fail.py", "shout.py", "shout.py", "step", "step", "step"]
    assert transforms("--limit", "2") == ["fail.py", "shout.py"]
    assert transforms("--status", "failed") == ["fail.py"]
    assert transforms("--status", "failed", "--status", "completed", "--engine", "python") == [
        "fail.py",
        *["shout.py"] * 2,
    ]
    assert transforms("--key", "sh") == ["shout.py", "shout.py"]
    assert transforms("--key", "SH") == []
    assert transforms("--since", "1d", "--limit", "2") == ["fail.py", "shout.py"]
    assert (
        transforms("--engine", "planted", "--since", (BEGIN + timedelta(seconds=1)).isoformat())
        == ["step"] * 2
    )
    last = invoke_json(commands.runs, "--engine", "planted", "--limit", "1")[0][0]
    parent = invoke_json(commands.runs, "--engine", "planted")[0][-1]
    assert last["parent"] == parent["uid"]  # which is not among the one that was asked for

    def names(*arguments: str) -> list[str]:
        return [artifact["key"] for artifact in invoke_json(commands.artifacts, *arguments)[0]]

    assert names("--since", "1d") == ["out.txt", "out.txt", "in.txt"]
    assert names("--key", "ou", "--limit", "1") == ["out.txt"]
    assert len(names("--engine", "python")) == 2
    assert len(names()) == 5


def test_key_prefix_filter_works_for_letters_of_any_alphabet(
    instance: Instance, write: Write
) -> None:
    for name in ("ou.txt", "oué.txt", "ou語.txt", "ov.txt"):
        write(name, name)
        ln.Artifact(name, run=False).save()
    assert len(instance.lineage.artifacts(ListFilter(key="ou"))) == 3


def test_trashed_artifact_is_not_listed_but_stays_in_the_lineage(story: Instance) -> None:
    newest, before = ln.Artifact.get(key="out.txt"), datetime.now(UTC)
    newest.delete()
    assert [node.uid for node in story.lineage.artifacts(ListFilter(key="out"))] == [
        newest.versions.first().uid
    ]
    assert (
        story.lineage.find("out.txt").version
        == story.lineage.find("out.txt", as_of="0s").version
        == "0000"
    )
    assert story.lineage.find("out.txt", as_of=before).version == "0001"
    assert newest.id in story.lineage.around(ln.Artifact.get(key="in.txt")).artifacts


def test_table_longer_than_the_limit_names_the_limit_option(instance: Instance) -> None:
    plant(instance.db, Shape(60, 60))
    for command in (commands.runs, commands.artifacts):
        done = invoke(command)
        assert len(done.stdout.splitlines()) == 51
        assert "the first 50; there is more: --limit" in done.stderr
        assert len(invoke(command, "--limit", "60").stdout.splitlines()) == 61
        assert len(invoke_json(command)[0]) == 60


def test_list_of_any_length_takes_two_statements(instance: Instance) -> None:
    plant(instance.db, Shape(1, 300, parents=[(n, 0) for n in range(1, 300)]))
    with statements(instance.db) as sent:
        assert len(instance.lineage.runs(ListFilter(limit=100))[0]) == 100
    assert len(sent) == 2


def test_lineage_of_a_transform_includes_all_its_runs(story: Instance) -> None:
    graph = story.lineage.around(ln.Transform.get(key="shout.py"))
    assert (len(graph.runs), len(graph.artifacts)) == (2, 3)
