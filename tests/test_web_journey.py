"""The web pages in a real Chromium: by mouse and by keys, in both themes, narrow, and without scripts."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

import pytest

import lamin_core as ln
import lamin_core.bionty as bt
from lamin_core.instance.setup import disconnect, init
from openlineage.lamin.emit.events import Job, Run, start
from tests.support.commands import typed
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
SCRIPT = "<script>document.title='pwned'<!script>"
IMAGE = "<img src=x onerror=\"document.title='pwned'\">"
STEPS = 5
_LINES = {
    ".html": f"<script>document.title='pwned'</script>{IMAGE}",
    ".svg": "<svg xmlns='http://www.w3.org/2000/svg' onload=\"document.title='pwned'\">"
    "<script>document.title='pwned'</script><rect width='9' height='9'/></svg>",
    ".ipynb": json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "source": IMAGE,
                    "outputs": [
                        {
                            "data": {
                                "text/html": "<script>document.title='pwned'</script>",
                                "text/plain": IMAGE,
                            }
                        }
                    ],
                }
            ],
        }
    ),
    ".csv": f"gene,{IMAGE},{','.join(map(str, range(60)))}\n{'1,' * 61}2\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that failed and a run that reads what it wrote, all with hostile names."""
    folder = tmp_path_factory.mktemp("journey")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        instance = init("./data")
        code = ln.Transform(key=f"count {IMAGE}.py", source_code=f"x = 1  # {IMAGE}\n").save()
        run = ln.Run(code, name=IMAGE, params={IMAGE: SCRIPT}).save()
        artifacts = []
        for suffix, content in _LINES.items():
            Path(f"file{suffix}").write_text(content)
            key = f"raw/{SCRIPT}{suffix}"
            artifacts.append(
                ln.Artifact(f"file{suffix}", key=key, run=run, description=IMAGE).save()
            )
        run.fail(IMAGE)
        reader = ln.Run(code).save()
        reader.input_artifacts.add(artifacts[-1])
        reader.complete()
        workflow = ln.Run(ln.Transform(key=f"flow {IMAGE}").save()).save()
        step = ln.Transform(key=f"flow:{SCRIPT}").save()
        for number in range(STEPS):
            part = ln.Run(step, parent=workflow, name=f"sample {number} {IMAGE}").save()
            part.input_artifacts.add(artifacts[0])
            Path(f"{number}.txt").write_text(str(number))
            ln.Artifact(f"{number}.txt", key=f"out/{SCRIPT}{number}.txt", run=part).save()
            part.fail(IMAGE) if number == 3 else part.complete()
        workflow.complete()
        label = ln.ULabel(name=f"raw {IMAGE}").save()
        artifacts[0].labels.add(label)
        artifacts[0].cell_types.add(bt.CellType(name=f"neuron {SCRIPT}").save())
        ln.Feature(name=f"temperature {IMAGE}", dtype=float).save()
        ln.Collection(artifacts, key=f"all {SCRIPT}").save()
        disconnect()
        instance.db.dispose()
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Server]:
    """`lamin serve --write` over it."""
    with Server(project, "--write") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, has no other way.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=["light", "dark", "narrow", "no scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Page]:
    """A page that fails on every error, in each of the ways that people look at it."""
    mode = request.param
    context = browser.new_context(
        base_url=server.url,
        color_scheme="dark" if mode == "dark" else "light",
        viewport={"width": 360 if mode == "narrow" else 1200, "height": 800},
        java_script_enabled=mode != "no scripts",
    )
    shown = context.new_page()
    shown.set_default_timeout(20_000)
    problems: list[str] = []
    shown.on("pageerror", lambda error: problems.append(str(error)))
    shown.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    shown.on("dialog", lambda dialog: problems.append(dialog.message))
    yield shown
    context.close()
    assert problems == []


def _check(page: Page) -> None:
    """No foreign script ran, and nothing is wider than the window."""
    assert page.title() != "pwned"
    size = page.viewport_size
    assert size is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_user_navigates_from_the_front_page_to_the_lineage_of_an_artifact(page: Page) -> None:
    page.goto("/")
    _check(page)
    assert page.locator(".status.failed").count() >= 1
    page.get_by_label("Search everything").fill(".csv")
    page.get_by_label("Search everything").press("Enter")
    page.wait_for_url("**/search?q=.csv")
    _check(page)
    page.locator(".results a").first.click()
    page.wait_for_url("**/artifact/*")
    _check(page)
    assert page.locator("table.data").inner_text().count("onerror") == 1
    page.get_by_role("link", name="Lineage").click()
    page.wait_for_url("**/lineage")
    _check(page)
    assert page.locator(".graph svg a").count() >= 3
    page.locator(".graph svg a:has(.failed)").first.click()
    page.wait_for_url("**/run/*")
    _check(page)
    assert page.locator("pre.error").inner_text() == IMAGE


def test_hostile_files_do_not_run_when_opened(
    browser: Browser,
    server: Server,
) -> None:
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        _, data = server.get("/artifacts.json")
        for artifact in data["artifacts"]:
            for path in (f"/artifact/{artifact['uid']}", f"/artifact/{artifact['uid']}/image"):
                page.goto(path)
                page.wait_for_load_state("networkidle")
                assert page.title() != "pwned", path


def test_keyboard_shortcuts_help_and_suggestions_work(
    browser: Browser,
    server: Server,
) -> None:
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        page.goto("/artifacts")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.locator("tr.on").count() == 1
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("raw")
        page.locator(".suggest a").first.wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/artifact/*")


NOTEBOOK = f"""
import lamin_core as ln
ln.setup.init("data")
with ln.run("make.py"):
    open("file.txt", "w").write("x")
    artifact = ln.Artifact("file.txt", key={"raw/</script>" + IMAGE + ".txt"!r}).save()
for number in range({STEPS}):
    with ln.run("use.py"):
        artifact.cache()
artifact.view_lineage()
print("not the last line of the cell")
"""


def test_notebook_output_is_a_view_in_a_frame_and_an_svg_picture(
    browser: Browser, in_tmp_path: Path
) -> None:
    """Executed in a kernel, converted by nbconvert, and opened without network."""
    nbconvert = pytest.importorskip("nbconvert", reason="the extra notebook is not installed")
    import nbclient
    import nbformat

    cells = [
        nbformat.v4.new_code_cell(text)
        for text in (NOTEBOOK, "artifact.run.view_lineage(return_graph=True)")
    ]
    notebook = nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells), kernel_name="python3"
    ).execute()
    for cell in notebook.cells:
        (shown,) = [out["data"] for out in cell["outputs"] if "data" in out]
        assert shown["image/svg+xml"].count("<title>") == 3
        assert IMAGE in shown["text/plain"] or "make.py" in shown["text/plain"]
        assert len(shown["text/html"]) < 200_000
    text, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    Path("notebook.html").write_text(text)
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        requested: list[str] = []
        page.on(
            "request", lambda request: requested.append(request.url) if request.frame != page.main_frame else None
        )  # fmt: skip
        page.goto((in_tmp_path / "notebook.html").as_uri(), wait_until="commit")
        frame = page.frame_locator("iframe.lamin-lineage-frame").first
        frame.locator('.lineage-view[data-ready="3"]').wait_for()
        assert not page.get_by_role("img", name="Lineage").first.is_visible()
        frame.locator("a:has(g.run.group)").click()
        frame.locator(f'.lineage-view[data-ready="{2 + STEPS}"]').wait_for()
        frame.get_by_label("Find in the drawing").fill("onerror")
        assert frame.locator(".tools .count").first.inner_text() == "1 found"
        assert page.title() == "Notebook"
        assert frame.locator("title").first.text_content() == "Lineage"
        assert requested == []


def _corners(svg: str) -> set[tuple[str, float, float]]:
    """The title and the corner of each box."""
    boxes = re.findall(r'<title>([^<]*)</title><rect x="([-0-9.]+)" y="([-0-9.]+)"', svg)
    return {(unescape(title), round(float(x)), round(float(y))) for title, x, y in boxes}


def test_lineage_file_works_without_network(
    browser: Browser, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    typed("lineage", f"raw/{SCRIPT}.html", "--html", "mail.html")
    problems: list[str] = []
    with browser.new_context(offline=True, color_scheme="dark") as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: problems.append(request.url))
        page.goto((project / "mail.html").as_uri())
        assert problems == [page.url]
        view = page.locator(".lineage-view[data-ready]")
        boxes = int(view.get_attribute("data-ready") or 0)
        # The script draws as the command has drawn.
        svg = page.locator(".graph svg")
        assert _corners(svg.evaluate("(svg) => svg.outerHTML")) == _corners(
            (project / "mail.html").read_text()
        )
        page.locator("a:has(g.run.group)").focus()
        page.keyboard.press("Enter")
        page.locator(f'.lineage-view[data-ready="{boxes - 1 + STEPS}"]').wait_for()
        page.get_by_label("Find in the drawing").fill("sample 3")
        page.keyboard.press("Enter")
        assert IMAGE in page.locator(".panel").inner_text()
        assert page.locator("g[data-box].on").count() < boxes - 1 + STEPS
        saved = {}
        for name in ("SVG", "PNG", "JSON", "CSV"):
            with page.expect_download() as download:
                page.get_by_role("button", name=name, exact=True).click()
            saved[name] = Path(download.value.path()).read_bytes()
        assert ElementTree.fromstring(saved["SVG"]).tag.endswith("svg")
        assert _corners(saved["SVG"].decode()) == _corners(svg.evaluate("(svg) => svg.outerHTML"))
        assert saved["PNG"].startswith(b"\x89PNG")
        assert len(json.loads(saved["JSON"])["groups"]) == 2 * STEPS + 2
        assert saved["CSV"].startswith(b"steps,kind,uid,name")
        page.get_by_role("button", name="fold all").click()
        page.locator(f'.lineage-view[data-ready="{boxes}"]').wait_for()
        _check(page)
        assert problems == [page.url]


def _kinds_of_pages(server: Server) -> list[str]:
    """A URL of each kind of page."""
    _, runs = server.get("/runs.json")
    _, data = server.get("/artifacts.json")
    run, artifact = runs["runs"][0]["uid"], data["artifacts"][0]["uid"]
    failed = next(run["uid"] for run in runs["runs"] if run["status"] == "failed")
    _, facts = server.get(f"/run/{run}.json")
    _, notebook = server.get("/artifacts.json?suffix=.ipynb")
    records = []
    for name in ("collections", "labels", "features", "storages"):
        _, rows = server.get(f"/{name}.json")
        records.append(f"/{name[:-1]}/{rows[name][0]['uid']}")
    _, matches = server.get("/search.json?q=neuron")
    lists = ("artifacts", "runs", "transforms", "collections", "labels", "features", "storages")
    _, table = server.get("/artifacts.json?suffix=.csv")
    return [
        f"/artifact/{table['artifacts'][0]['uid']}",
        *("/", "/search", "/search?q=raw", "/search?q=nothingsocalled", "/instance", "/login", "/run/nothing"),
        *(f"/{name}" for name in lists),
        *(f"/run/{run}", f"/run/{failed}", f"/diff/{failed}/{run}", f"/transform/{facts['transform_uid']}"),
        *(f"/artifact/{artifact}", f"/artifact/{notebook['artifacts'][0]['uid']}", *records),
        *(f"{path}/edit" for path in (f"/artifact/{artifact}", f"/run/{run}", *records)),
        *(matches["results"][0]["path"], f"{matches['results'][0]['path']}/edit"),
        *(f"/run/{run}/lineage", f"/artifact/{artifact}/lineage?group=none"),
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_page_is_accessible(
    browser: Browser, server: Server, scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe").Axe()
    paths = _kinds_of_pages(server)
    problems = {}
    size = sync_api.ViewportSize(width=1200 if scheme == "dark" else 360, height=800)
    with browser.new_context(base_url=server.url, color_scheme=scheme, viewport=size) as context:
        page = context.new_page()
        for path in paths:
            page.goto(path)
            _check(page)
            if path.endswith("/lineage"):
                page.locator(".lineage-view[data-ready]").wait_for()
            for finding in axe.run(page).response["violations"]:
                if finding["impact"] in ("moderate", "serious", "critical"):
                    nodes = [node["html"][:120] for node in finding["nodes"][:3]]
                    problems[f"{path} {finding['id']}"] = nodes
    assert problems == {}


def _move_by_the_map(page: Page) -> None:
    """The map is there while a part of the drawing is shown, and leads to the others."""
    small_map, frame = page.locator(".minimap"), page.locator(".graph svg > g")
    assert not small_map.is_visible()
    page.locator(".graph a").first.focus()
    for _ in range(8):
        page.keyboard.press("+")
    small_map.wait_for()
    before = frame.get_attribute("transform")
    small_map.click(position={"x": 2, "y": 2})
    assert frame.get_attribute("transform") != before
    page.locator(".graph a").first.focus()
    page.keyboard.press("0")
    small_map.wait_for(state="hidden")


def test_lineage_view_expands_and_selects_by_keyboard(
    browser: Browser,
    server: Server,
) -> None:
    problems: list[str] = []
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        _, runs = server.get("/runs.json")
        workflow = next(run for run in runs["runs"] if run["transform"].startswith("flow"))
        page.goto(f"/run/{workflow['uid']}/lineage")
        view = page.locator(".lineage-view")
        step = page.locator(".graph a:has(g.run.group)")
        page.locator(".lineage-view[data-ready]").wait_for()
        assert step.count() == 1
        assert f"x {STEPS}" in (step.text_content() or "")
        step.focus()
        assert page.locator(".graph g[data-box].on").count() == int(
            view.get_attribute("data-ready") or 0
        )
        page.keyboard.press("e")
        page.wait_for_url("**expand=*")
        page.locator(".graph g.run").nth(STEPS - 1).wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        assert f"raw/{SCRIPT}.html" in page.locator(".panel").inner_text()
        page.keyboard.press("f")
        page.keyboard.type("sample 3")
        page.keyboard.press("Enter")
        assert page.locator(".tools .count").first.inner_text() == "1 of 1"
        assert IMAGE in page.locator(".panel").inner_text()
        page.go_back()
        step.wait_for()
        slider = page.locator("input[type=range]")
        slider.press("Home")
        page.wait_for_url("**as_of=*")
        step.wait_for(state="detached")
        slider.press("End")
        step.wait_for()
        _move_by_the_map(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="PNG").click()
        assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
        page.locator("input[name=select]").fill("status:failed")
        page.locator("input[name=select]").press("Enter")
        page.wait_for_url("**select=status*")
        page.locator('.lineage-view[data-ready="1"]').wait_for()
        _check(page)
    assert problems == []


@pytest.mark.parametrize("has_scripts", [True, False])
def test_edit_form_is_saved_and_its_text_does_not_run(
    browser: Browser, server: Server, has_scripts: bool
) -> None:
    _, data = server.get("/artifacts.json?suffix=.csv")
    note = f"# Note {has_scripts}\n\n{IMAGE} {SCRIPT} [link](javascript:document.title='pwned')"
    with browser.new_context(base_url=server.url, java_script_enabled=has_scripts) as context:
        page = context.new_page()
        page.goto(f"/artifact/{data['artifacts'][0]['uid']}")
        page.get_by_role("link", name="Edit").click()
        page.get_by_label("Description").fill(SCRIPT)
        page.get_by_label("Labels").fill(f"checked {has_scripts}\n{IMAGE}")
        page.get_by_label("Notes").fill(note)
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/artifact/*0000")
        assert page.get_by_role("heading", name=f"Note {has_scripts}").is_visible()
        assert page.locator(".tag", has_text="onerror").count() == 1
        assert page.locator(".notes a, .notes img").count() == 0
        assert page.title() != "pwned"


def test_eight_open_tabs_show_a_new_run_without_reload(
    browser: Browser,
    server: Server,
) -> None:
    """A browser opens six connections to a server: the tabs share one for the changes."""
    streams: list[Page] = []
    with browser.new_context(base_url=server.url) as context:
        context.on(
            "request", lambda request: streams.append(request.frame.page) if "/stream" in request.url else None
        )  # fmt: skip
        pages = [context.new_page() for _ in range(8)]
        for page in pages:
            page.set_default_timeout(20_000)
            page.goto("/runs")
            page.evaluate("window.isOld = true")
        _start_run(server, 1)
        for page in pages:
            page.get_by_role("link", name="live-job-1").wait_for()
            assert page.evaluate("window.isOld")
        assert len(streams) == 1
        streams[0].close()
        pages.remove(streams[0])
        _start_run(server, 2)
        for page in pages:
            page.get_by_role("link", name="live-job-2").wait_for()
        assert len(streams) == 2


def _start_run(server: Server, number: int) -> None:
    run = Run(
        f"00000000-0000-7000-8000-{number:012}",
        Job("test", f"live-job-{number}", "rule"),
        "test",
        "1.0",
    )
    status, _ = server.post(json.dumps(start(run, datetime.now(UTC))).encode())
    assert status == 201
