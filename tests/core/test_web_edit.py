"""Records are edited by a form: by those who may, with its token, all or nothing, and nothing that was written runs."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.models import Note

pytest.importorskip("prometheus_client", reason="the extra server is not installed")
from starlette.testclient import TestClient

from lamin_core.server import api_keys
from lamin_core.server.app import application
from lamin_core.server.middleware import COOKIE
from lamin_core.server.web.site import page_routes

HOSTILE = "<script>document.title='pwned'</script> [x](javascript:alert(1)) ![y](http://evil.example/z.png)"


def _client(instance: Instance, *, is_writable: bool) -> TestClient:
    pages = page_routes(instance.db, is_writable=is_writable)
    app = application(instance.db, pages=pages)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def _fields(page: str) -> dict[str, str]:
    """The fields that a browser would send from the unchanged form."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', page))
    areas = re.findall(r'<textarea name="(\w+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    return {**hidden, **{name: html.unescape(text) for name, text in areas}}


@pytest.fixture
def artifact(instance: Instance) -> ln.Artifact:
    """One with a label and a value."""
    Path("a.csv").write_text("x\n1\n")
    artifact = ln.Artifact("a.csv", run=False).save()
    artifact.labels.add(ln.ULabel(name="raw").save())
    ln.Feature(name="temperature", dtype=float).save()
    ln.Feature(name="site", dtype=str).save()
    artifact.features.add_values({"temperature": 20.5})
    return artifact


def _state(artifact: ln.Artifact) -> tuple[Any, ...]:
    artifact = ln.Artifact.get(artifact.uid)
    labels = sorted(label.name for label in artifact.ulabels.all())
    return (artifact.description, labels, artifact.features.get_values())


def test_edit_form_changes_description_labels_features_and_notes(
    instance: Instance, artifact: ln.Artifact
) -> None:
    client = _client(instance, is_writable=True)
    path = f"/artifact/{artifact.uid}"
    assert f'href="{path}/edit"' in client.get(path).text
    form = _fields(client.get(f"{path}/edit").text)
    assert (form["labels"], form["features"]) == ("raw\n", "temperature = 20.5")
    changed = {
        "description": f"counts {HOSTILE}",
        "labels": "checked\r\n final \r\n",
        "features": "temperature = 21\r\nsite = 5",
        "notes": f"# Checked\r\n\r\n{HOSTILE}",
    }
    saved = client.post(f"{path}/edit", data={**form, **changed})
    assert (saved.status_code, saved.headers.get("location")) == (303, path), saved.text
    expected = (changed["description"], ["checked", "final"], {"site": "5", "temperature": 21.0})
    assert _state(artifact) == expected
    page = client.get(path).text
    assert "<h1>Checked</h1>" in page
    assert "<script>document" not in page
    assert "evil.example/z.png&quot;" not in page
    assert not re.findall(r"<a[^>]*javascript:|<img(?! class=\"preview\")", page)
    assert client.get(f"{path}.json").json()["notes"].startswith("# Checked\n")
    # The form of before does not write over what is there now.
    late = client.post(f"{path}/edit", data={**form, "description": "late"})
    assert late.status_code == 409
    assert "meanwhile" in late.text
    form = _fields(client.get(f"{path}/edit").text)
    client.post(f"{path}/edit", data={**form, "notes": " ", "labels": "", "features": ""})
    assert _state(artifact) == (changed["description"], [], {})
    with instance.db.reading() as session:
        assert session.query(Note).count() == 0


def test_invalid_edit_form_changes_nothing(instance: Instance, artifact: ln.Artifact) -> None:
    client = _client(instance, is_writable=True)
    path = f"/artifact/{artifact.uid}/edit"
    form = _fields(client.get(path).text)
    before = _state(artifact)
    for wrong in (
        {"features": "temperature = warm"},
        {"features": "colour = red"},
        {"features": "no assignment"},
        {"notes": "x" * 100_001},
        {"labels": "a\0b"},
    ):
        refused = client.post(
            path, data={**form, "description": "changed", "labels": "new", **wrong}
        )
        assert refused.status_code in (400, 409), (wrong, refused.text)
        assert "meanwhile" not in refused.text
        assert _state(artifact) == before
    assert client.post(path, data={**form, "notes": "x" * 500_000}).status_code == 413
    assert ln.ULabel.filter(name="new").count() == 0


def test_edit_without_permission_or_token_is_refused(
    instance: Instance, artifact: ln.Artifact
) -> None:
    path = f"/artifact/{artifact.uid}"
    reader = _client(instance, is_writable=False)
    assert "/edit" not in reader.get(path).text
    assert reader.get(f"{path}/edit").status_code == 403
    writer = _client(instance, is_writable=True)
    form = _fields(writer.get(f"{path}/edit").text)
    assert reader.post(f"{path}/edit", data=form).status_code == 403
    before = _state(artifact)
    changed = {**form, "description": "changed"}
    for data in ({**changed, "token": "0" * 64}, {**changed, "token": ""}):
        assert writer.post(f"{path}/edit", data=data).status_code == 403
    foreign = {"Origin": "http://evil.example"}
    assert writer.post(f"{path}/edit", data=changed, headers=foreign).status_code == 403
    stranger = _client(instance, is_writable=True)  # its browser has no cookie, or another
    assert stranger.post(f"{path}/edit", data=changed).status_code == 403
    stranger.get(f"{path}/edit")
    assert stranger.post(f"{path}/edit", data=changed).status_code == 403
    assert _state(artifact) == before
    cookie = writer.get(f"{path}/edit").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert writer.get("/artifact/nothing/edit").status_code == 404


def test_edit_with_an_api_key_is_accepted_and_without_is_unauthorized(
    instance: Instance, artifact: ln.Artifact
) -> None:
    key = api_keys.create(instance.db, "ada")
    path = f"/artifact/{artifact.uid}/edit"
    client = _client(instance, is_writable=True)
    assert client.get(path).status_code == 401
    assert client.post(path, data={}).status_code == 401
    client.cookies.set(COOKIE, key)
    form = _fields(client.get(path).text)
    assert client.post(path, data={**form, "description": "by ada"}).status_code == 303
    assert _state(artifact)[0] == "by ada"


def test_every_kind_of_record_can_have_notes(instance: Instance, artifact: ln.Artifact) -> None:
    code = ln.Transform(key="fit.py", source_code="x = 1\n").save()
    run = ln.Run(code).save()
    records = {
        "run": run, "transform": code, "label": ln.ULabel.get(name="raw"),
        "feature": ln.Feature.get(name="site"), "storage": artifact.storage,
        "collection": ln.Collection([artifact], key="all").save(),
    }  # fmt: skip
    client = _client(instance, is_writable=True)
    for kind, record in records.items():
        path = f"/{kind}/{record.uid}"
        form = _fields(client.get(f"{path}/edit").text)
        saved = client.post(f"{path}/edit", data={**form, "notes": f"*{kind}*"})
        assert saved.status_code == 303, (kind, saved.text)
        assert f"<em>{kind}</em>" in client.get(path).text
    assert 'class="m">1</span>' in client.get(f"/transform/{code.uid}").text
