"""The web pages run nothing foreign, show only bytes that are still those registered, and ask for the key."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import update

import lamin_core as ln
from lamin_core.models import Artifact, Content, Run

if TYPE_CHECKING:
    from tests.support.web_registry import Story

pytest.importorskip("prometheus_client", reason="the extra server is not installed")
from lamin_core.server import api_keys
from lamin_core.server.middleware import COOKIE
from lamin_core.server.web.preview import MAX_SIZE, Stored, checked_bytes, preview
from lamin_core.storage.hashing import digest
from tests.support.web_registry import PNG, TURNED, serve

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def test_hostile_text_does_not_become_markup(story: Story) -> None:
    for path in story.paths:
        page = story.client.get(path).text
        assert re.findall(r"<script(?![^<>]*src=\"/static/(?:script|lineage)\.js)", page) == [], (
            path
        )
        assert re.findall(r"<[^<>]*\son\w+=", page) == [], path
        assert "<svg onload" not in page, path
        assert re.findall(r"<img(?! class=\"preview\")", page) == [], path
        assert re.findall(r"(?:href|src|action)=\"(?!/|#)[^\"]*\"", page) == [], path
        assert "style=" not in page, path


def test_only_the_url_of_an_engine_page_is_a_link(instance: Any) -> None:
    good = "https://prefect.example/runs/flow-run/1"
    hostile = (
        "javascript:alert(1)",
        "https://a@evil.example/",
        "data:text/html,x",
        "//evil.example",
    )
    details = {
        "prefect": {"url": good},
        "more": dict(enumerate(hostile)),
        "facets": {"x": {"_schemaURL": f"{good}2"}},
    }
    code = ln.Transform(key="fit.py", reference=good).save()
    run = ln.Run(code, reference=hostile[0]).save()
    with instance.db.writing() as session:
        session.execute(update(Run).where(Run.id == run.id).values(details=details))
    client = serve(instance)
    assert client.get(f"/run/{run.uid}.json").json()["links"] == [good]
    for path in (f"/run/{run.uid}", f"/transform/{code.uid}"):
        page = client.get(path).text
        assert re.findall(r'href="((?!/|#)[^"]*)" rel="noopener noreferrer"', page) == [good], path
        assert re.findall(r"(?:href|src|action)=\"(?!/|#|https://prefect)[^\"]*\"", page) == [], (
            path
        )


def test_bidirectional_override_characters_are_escaped(story: Story) -> None:
    page = story.client.get(f"/artifact/{story.artifacts['csv']}").text
    assert TURNED not in page
    assert "\\u202egnp.exe" in page


def test_every_response_has_restrictive_security_headers(story: Story) -> None:
    image = f"/artifact/{story.artifacts['png']}/image"
    for path in [
        *story.paths,
        "/runs.json",
        "/runs.csv",
        "/nothing.json",
        image,
        "/login",
        "/static/style.css",
    ]:
        headers = story.client.get(path).headers
        if path == "/nothing.json":
            continue
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), path
        assert "unsafe-inline" not in policy or "sandbox" in policy, path
        assert "unsafe-eval" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(("kind", "media_type"), [("png", "image/png"), ("svg", "image/svg+xml")])
def test_image_is_sent_with_a_sandbox_policy(story: Story, kind: str, media_type: str) -> None:
    uid = story.artifacts[kind]
    assert f'src="/artifact/{uid}/image"' in story.client.get(f"/artifact/{uid}").text
    response = story.client.get(f"/artifact/{uid}/image")
    assert response.headers["content-type"].startswith(media_type)
    assert response.headers["content-security-policy"].endswith("sandbox")


@pytest.mark.parametrize("kind", ["html", "csv", "ipynb", "md", "parquet"])
def test_file_that_is_not_an_image_is_never_sent_raw(story: Story, kind: str) -> None:
    assert story.client.get(f"/artifact/{story.artifacts[kind]}/image").status_code == 404


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("csv", "table"),
        ("parquet", "table"),
        ("html", "text"),
        ("md", "text"),
        ("ipynb", "notebook"),
    ],
)
def test_preview_contains_plain_values_only(story: Story, kind: str, shown: str) -> None:
    data = story.client.get(f"/artifact/{story.artifacts[kind]}.json").json()["preview"]
    assert data["kind"] == shown
    assert data["is_verified"]
    assert "<script>document.title=" in str(data)
    if kind == "ipynb":
        assert data["cells"][1][2].startswith("plain ")


def test_csv_export_escapes_spreadsheet_formulas(story: Story) -> None:
    ln.ULabel(name="=HYPERLINK(1)").save()
    assert "'=HYPERLINK(1)" in story.client.get("/labels.csv").text


def test_preview_shows_only_bytes_that_match_the_registered_hash(
    instance: Any, outside: Path
) -> None:
    file = Path("data.csv")
    file.write_text("a,b\n1,2\n")
    artifact = ln.Artifact(file, run=False).save()
    client = serve(instance)
    path = f"/artifact/{artifact.uid}.json"
    assert client.get(path).json()["preview"]["rows"] == [["1", "2"]]
    file.write_text("a,b\n9,9\n")
    os.utime(file, (1, 1))
    changed = client.get(path).json()["preview"]
    assert (changed["kind"], changed["note"]) == (
        "none",
        "the file has changed since it was registered",
    )
    secret = outside / "secret.csv"
    secret.write_text("a,b\n3,4\n")
    file.unlink()
    file.symlink_to(secret)
    assert client.get(path).json()["preview"]["kind"] == "none"
    file.unlink()
    os.mkfifo(file)
    assert client.get(path).json()["preview"]["kind"] == "none"
    file.unlink()
    assert "cannot be read" in client.get(path).json()["preview"]["note"]


def test_preview_of_a_path_outside_its_storage_is_refused(instance: Any, outside: Path) -> None:
    secret = outside / "secret.txt"
    secret.write_text("secret")
    Path("note.txt").write_text("secret")
    artifact = ln.Artifact("note.txt", run=False).save()
    climbing = os.path.relpath(secret, Path.cwd())
    with instance.db.writing() as session:
        session.execute(update(Artifact).where(Artifact.id == artifact.id).values(key=climbing))
    shown = serve(instance).get(f"/artifact/{artifact.uid}.json").json()["preview"]
    assert (shown["kind"], shown["note"]) == ("none", "its path leads out of its storage")


def test_preview_of_a_hash_claimed_by_an_event_is_refused(instance: Any) -> None:
    Path("note.txt").write_text("text")
    artifact = ln.Artifact("note.txt", run=False).save()
    with instance.db.writing() as session:
        session.execute(update(Content).values(hash_type="md5"))
    shown = serve(instance).get(f"/artifact/{artifact.uid}.json").json()["preview"]
    assert shown["kind"] == "none"


def _stored(path: Path) -> Stored:
    return Stored(str(path.parent), path.name, None, path.suffix, digest(path))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", b"<html>no picture</html>", "none"),
        ("a.png", PNG, "image"),
        ("a.parquet", b"PAR1 no parquet", "none"),
        ("a.ipynb", b'{"cells": 3}', "none"),
        ("a.csv", b"", "none"),
        ("a.csv", b"\xff\xfe\x00,\x00\n", "table"),
        ("a.unknown", b"x", "none"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0), "table"),
        ("a.txt.gz", b"no gzip", "none"),
        ("a.pkl", b"cos\nsystem\n(S'true'\ntR.", "none"),
    ],
)
def test_preview_of_damaged_and_unknown_files(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert preview(_stored(path)).kind == kind


def test_preview_of_anndata_lists_its_parts_and_follows_no_external_link(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="the extra data is not installed")
    h5py = pytest.importorskip("h5py", reason="the extra data is not installed")
    cells = pd.DataFrame({"type": pd.Categorical(["a", "b", "a"])}, index=list("xyz"))
    path, foreign = tmp_path / "a.h5ad", tmp_path / "foreign.h5"
    anndata.AnnData(np.eye(3, 2), obs=cells, obsm={"X_pca": np.zeros((3, 4))}).write_h5ad(path)
    rows = preview(_stored(path)).rows
    assert ("X", "3 x 2", "array float64") in rows
    assert ("obs['type']", "", "categorical, 2 categories") in rows
    assert ("obsm['X_pca']", "3 x 4", "array float64") in rows
    with h5py.File(foreign, "w") as file:
        file["secret"] = np.zeros(7)
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink(str(foreign), "secret")
    shown = preview(_stored(path))
    assert (shown.kind, shown.rows) == ("none", ())


def test_preview_is_limited_in_size(tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(MAX_SIZE + 1)
    assert checked_bytes(_stored(large)) == "larger than 32 MiB"
    bomb = tmp_path / "bomb.txt.gz"
    bomb.write_bytes(gzip.compress(bytes(50_000_000)))
    assert len(preview(_stored(bomb)).text) <= 64 << 10
    wide = tmp_path / "wide.csv"
    wide.write_text("\n".join(",".join("x" * 500 for _ in range(60)) for _ in range(3)))
    shown = preview(_stored(wide))
    assert len(shown.columns) == 50
    assert len(shown.columns[0]) == 200


def test_browser_logs_in_once_with_an_api_key(instance: Any) -> None:
    key = api_keys.create(instance.db, "ada")
    client = serve(instance)
    assert client.get("/runs").status_code == 401
    sent_on = client.get("/runs?status=failed", headers=BROWSER)
    assert sent_on.headers["location"] == "/login?next=%2Fruns%3Fstatus%3Dfailed"
    form = client.get(sent_on.headers["location"], headers=BROWSER)
    assert 'name="next" value="/runs?status=failed"' in form.text
    refused = client.post("/login", data={"key": "lamin_wrong", "next": "/runs"})
    assert refused.status_code == 401
    assert COOKIE not in refused.cookies
    entered = client.post("/login", data={"key": key, "next": "/runs?status=failed"})
    assert entered.headers["location"] == "/runs?status=failed"
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/runs", headers=BROWSER).status_code == 200
    api_keys.revoke(instance.db, "ada")
    later = serve(instance)
    later.cookies.set(COOKIE, key)
    assert later.get("/runs").status_code == 401


def test_cookie_allows_reading_but_not_writing(instance: Any) -> None:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from lamin_core.server.app import application

    key = api_keys.create(instance.db, "ada")
    route = Route("/write", lambda request: PlainTextResponse("written"), methods=["GET", "POST"])
    client = TestClient(
        application(instance.db, [route]), base_url="http://localhost", cookies={COOKIE: key}
    )
    assert client.get("/write").text == "written"
    assert client.post("/write").status_code == 401
    assert client.post("/write", headers={"Authorization": f"Bearer {key}"}).text == "written"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\n/evil",
    ],
)
def test_login_redirects_only_to_this_server(instance: Any, target: str) -> None:
    key = api_keys.create(instance.db, "ada")
    answer = serve(instance).post("/login", data={"key": key, "next": target})
    assert answer.headers["location"] == "/"


def test_pages_refuse_other_hosts_and_origins(story: Story) -> None:
    assert story.client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert story.client.get("/", headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "name", ["..%2fpage.py", "%2e%2e/page.py", "../templates.py", "nothing.css"]
)
def test_only_static_files_of_the_pages_are_served(story: Story, name: str) -> None:
    assert story.client.get(f"/static/{name}").status_code == 404
