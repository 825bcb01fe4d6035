"""Live pages: what was committed is shown at once, and one answer is made for all who look at the same page."""

from __future__ import annotations

from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance

pytest.importorskip("prometheus_client", reason="the extra server is not installed")
from tests.support.statements import KEYRING, statements
from tests.support.web_registry import serve


def _read_by(artifact: ln.Artifact, name: str) -> ln.Run:
    run = ln.Run(ln.Transform(key=name).save()).save()
    run.input_artifacts.add(artifact)
    return run


def test_lineage_is_queried_again_only_after_a_commit(instance: Instance) -> None:
    maker = ln.Run(ln.Transform(key="first.py").save()).save()
    Path("a.txt").write_text("a")
    artifact = ln.Artifact("a.txt", run=maker).save()
    client = serve(instance)
    # Of another instance over the same database, as of another process.
    another = Instance.open(Path(".lamin"))
    other = serve(another)
    for path in (f"/artifact/{artifact.uid}/lineage", f"/run/{maker.uid}/lineage"):
        for number in range(2):
            run = _read_by(artifact, f"{number}{path[:4]}.py")
            for asking in (client, other):
                data = asking.get(f"{path}.json?down=4&up=4").json()
                assert run.uid in {node["uid"] for node in data["graph"]["runs"]}
        with statements(instance.db, without=KEYRING) as anew:
            client.get(f"{path}?down=4&up=4")
        with statements(instance.db, without=KEYRING) as again:
            client.get(f"{path}?down=4&up=4&group=none")
        assert (len(again), len(anew)) == (1, 1)
        run.fail("no")
        with statements(instance.db, without=KEYRING) as after:
            shown = client.get(f"{path}.json?down=4&up=4").json()
        assert len(after) > 3
        assert "failed" in {node["status"] for node in shown["graph"]["runs"]}
    another.db.dispose()


def test_viewers_of_a_page_share_one_response_per_change(instance: Instance) -> None:
    client = serve(instance)

    def shown(change: str | None) -> set[str]:
        headers = {} if change is None else {"Lamin-Change": change}
        page = client.get("/runs", headers=headers)
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        return {name for name in ("one.py", "two.py", "three.py") if name in page.text}

    for number, name in enumerate(("one.py", "two.py")):
        ln.Run(ln.Transform(key=name).save()).save()
        assert name in shown(str(10 + number))
    with statements(instance.db, without=KEYRING) as sent:
        assert shown("11") == shown("10") == {"one.py", "two.py"}
    assert [statement for statement in sent if "FROM run" in statement.text] == []
    ln.Run(ln.Transform(key="three.py").save()).save()
    assert "three.py" not in shown("11")  # nobody was told of the third yet
    assert "three.py" in shown(None)  # whoever opens the page sees what is there
    assert "three.py" in shown("not a number")
    assert "three.py" in shown("12")
