"""The web pages: each answers as HTML and JSON, is reached by links, and asks few questions."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

import lamin_core as ln

if TYPE_CHECKING:
    from tests.support.web_registry import Story

MAX_STATEMENTS = 6
MAX_BYTES = 250_000


class Links(HTMLParser):
    """The links and the visible text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where it leads."""
        self.hrefs += [value for name, value in attrs if tag == "a" and name == "href" and value]

    def handle_data(self, data: str) -> None:
        """Note what is shown."""
        self.text += data


def test_every_page_needs_few_statements_and_bytes(story: Story) -> None:
    from tests.support.statements import KEYRING, statements

    for path in story.paths:
        with statements(story.instance.db, without=KEYRING) as sent:
            response = story.client.get(path)
        assert response.status_code == 200, (path, response.text[-500:])
        assert len(sent) <= MAX_STATEMENTS, (path, sent)
        assert len(response.content) < MAX_BYTES, path
        assert f"lamin-core {ln.__version__} " in response.text, path


def test_every_page_has_a_json_version(story: Story) -> None:
    for path in story.paths:
        address, _, query = path.partition("?")
        address = "/home" if address == "/" else address
        response = story.client.get(f"{address}.json?{query}")
        assert response.status_code == 200, path
        assert response.headers["content-type"] == "application/json"
        assert isinstance(response.json(), dict)
        assert not [name for name in response.json() if name.startswith("_")]


def test_every_link_of_every_page_works(story: Story) -> None:
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        response = story.client.get(path)
        assert response.status_code == 200, path
        if response.headers["content-type"].startswith("text/html"):
            hrefs = Links(response.text).hrefs
            # Several filters at once, and steps further up and down, are the same pages again.
            waiting += [
                href for href in hrefs if href[0] == "/" and not re.search("&|lineage.*=", href)
            ]
            assert [href for href in hrefs if not href.startswith(("/", "#"))] == []
    assert f"/run/{story.runs['failed']}" in seen
    assert f"/artifact/{story.artifacts['csv']}/lineage" in seen


def test_front_page_of_an_empty_registry_shows_first_commands(instance: Any) -> None:
    pytest.importorskip("prometheus_client", reason="the extra server is not installed")
    from tests.support.web_registry import serve

    page = serve(instance).get("/").text
    for line in ("snakemake --logger lamin", "lamin nextflow run", "lamin_prefect", "ln.track()"):
        assert line in page


def test_front_page_shows_failed_runs_and_newest_artifacts(story: Story) -> None:
    data = story.client.get("/home.json").json()
    assert [run["uid"] for run in data["failed"]] == [story.runs["failed"]]
    assert data["running"] == []
    assert story.artifacts["parquet"] in {row["uid"] for row in data["newest"]}
    assert data["counts"]["runs"] == 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("table.parquet", "artifact"),
        ("tabel.parquet", "artifact"),
        ("temperature", "feature"),
        ("both", "collection"),
        ("step of", "run"),
        ("neuron", "bionty.CellType"),
        ("nueron", "bionty.CellType"),
        ("atlas", "project"),
        ("columns of atlas", "schema"),
        ("Regev", "reference"),
        ("pipetted twice", "artifact"),
    ],
)
def test_search_page_finds_every_kind_and_tolerates_typos(
    story: Story, text: str, kind: str
) -> None:
    results = story.client.get("/search.json", params={"q": text}).json()["results"]
    assert results, text
    assert results[0]["kind"] == kind
    page = story.client.get(results[0]["path"])
    assert page.status_code == 200
    assert page.text.count("<h1>") == 1


def test_search_page_without_matches_is_empty_for_any_text(story: Story) -> None:
    for text in ("", " ", "%", "\\", "🧬", "x" * 3000, "no such thing"):
        response = story.client.get("/search.json", params={"q": text})
        assert response.status_code == 200
        assert response.json()["results"] == []


def test_list_pages_continue_where_the_previous_page_ended(story: Story) -> None:
    for name in ("artifacts", "runs", "transforms", "labels", "storages"):
        more = "&level=all" if name == "runs" else ""
        whole = [
            row["uid"] for row in story.client.get(f"/{name}.json?limit=1000{more}").json()[name]
        ]
        paged: list[str] = []
        after = ""
        while True:
            data = story.client.get(f"/{name}.json?limit=2{more}&after={after}").json()
            paged += [row["uid"] for row in data[name]]
            after = data["next"]
            if after is None:
                break
        assert paged == whole
        assert len(set(whole)) == len(whole)


def test_filters_of_lists_are_in_the_url(story: Story) -> None:
    def uids(path: str) -> set[str]:
        name = re.split(r"[/?.]", path)[1]
        return {row["uid"] for row in story.client.get(path).json()[name]}

    failed, later, step = story.runs["failed"], story.runs["later"], story.runs["step"]
    assert uids("/runs.json?status=failed") == {failed}
    assert uids("/runs.json") == {failed, later}
    assert uids("/runs.json?level=all&engine=python") == {failed, later, step}
    assert uids("/runs.json?since=2000-01-01&key=nobody") == set()
    assert uids("/artifacts.json?suffix=.parquet") == {story.artifacts["parquet"]}
    assert uids("/artifacts.json?key=results/") == {story.artifacts["parquet"]}
    label = ln.ULabel.get(story.others["label"]).name
    labelled = story.client.get("/artifacts.json", params={"label": label}).json()["artifacts"]
    assert [row["uid"] for row in labelled] == [story.artifacts["csv"]]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/runs?stauts=failed", 400, "did you mean status?"),
        ("/runs?status=x", 400, "status is not one of"),
        ("/runs?after=x", 400, "not a cursor"),
        ("/artifact/nothing", 404, "no artifact has the uid"),
        ("/transform/nothing", 404, "no transform has the uid"),
        ("/run/nothing", 404, "no run has the uid"),
        ("/label/nothing", 404, "has the uid"),
        ("/run/nothing/lineage", 404, "no run has the uid"),
        ("/diff/nothing/nobody", 404, "no run has the uid"),
    ],
)
def test_unknown_page_or_filter_is_refused_with_a_hint(
    story: Story, path: str, status: int, words: str
) -> None:
    response = story.client.get(path)
    assert response.status_code == status
    assert words in Links(response.text).text
    address, _, query = path.partition("?")
    answer = story.client.get(f"{address}.json?{query}")
    assert answer.status_code == status
    assert {"error", "hint"} == answer.json().keys()


def test_run_page_shows_the_error_first(story: Story) -> None:
    text = Links(story.client.get(f"/run/{story.runs['failed']}").text).text
    assert text.index("Traceback") < text.index("Parameters") < text.index("Outputs")
    data = story.client.get(f"/run/{story.runs['failed']}.json").json()
    assert data["status"] == "failed"
    assert {file["uid"] for file in data["outputs"]} == {
        uid for name, uid in story.artifacts.items() if name != "parquet"
    }


def test_workflow_page_counts_its_steps_and_draws_a_timeline(story: Story) -> None:
    data = story.client.get(f"/run/{story.runs['later']}.json").json()
    assert [(step["count"], step["completed"], step["failed"]) for step in data["steps"]] == [
        (1, 1, 0)
    ]
    assert [bar["uid"] for bar in data["timeline"]] == [story.runs["step"]]
    step = story.client.get(f"/run/{story.runs['step']}.json").json()
    assert step["parent"] == story.runs["later"]


def test_run_page_can_be_addressed_by_openlineage_run_id(story: Story) -> None:
    external = story.client.get(f"/run/{story.runs['later']}.json").json()["external_id"]
    assert story.client.get(f"/run/{external}.json").json()["uid"] == story.runs["later"]


def test_artifact_page_shows_its_runs_and_annotations(story: Story) -> None:
    data = story.client.get(f"/artifact/{story.artifacts['csv']}.json").json()
    assert [run["uid"] for run in data["made_by"]] == [story.runs["failed"]]
    assert [run["uid"] for run in data["used_by"]] == [story.runs["later"]]
    kinds = {item["kind"] for item in data["annotations"]}
    assert kinds == {"label", "collection", "project", "bionty.CellType"}
    assert [item["value"] for item in data["features"]] == [20.5]
    assert [row["uid"] for row in data["versions"]] == [story.artifacts["csv"]]
    assert story.artifacts["csv"] in data["snippets"][0]["text"]
    stem = story.artifacts["csv"][:16]
    assert story.client.get(f"/artifact/{stem}.json").json()["uid"] == story.artifacts["csv"]


def test_transform_page_shows_the_difference_of_two_versions(story: Story) -> None:
    old, new = story.transforms
    data = story.client.get(f"/transform/{new}.json?against={old}").json()
    assert "-x = 1" in data["difference"].splitlines()
    assert "+x = 2" in data["difference"].splitlines()
    assert len(data["versions"]) == 2
    assert {run["uid"] for run in data["runs"]} == {story.runs["later"], story.runs["step"]}


def test_diff_page_compares_two_runs(story: Story) -> None:
    failed, later = story.runs["failed"], story.runs["later"]
    data = story.client.get(f"/diff/{failed}/{later}.json").json()
    assert data["params"]["changed"] == {"alpha": [0.1, 0.2]}
    assert "-x = 1" in data["code"]
    moved = story.client.get(f"/compare?first={failed}&second={later}")
    assert moved.headers["location"] == f"/diff/{failed}/{later}"


def test_lineage_page_draws_links_within_the_steps_in_the_url(story: Story) -> None:
    table, parquet = story.artifacts["csv"], story.artifacts["parquet"]
    page = Links(story.client.get(f"/artifact/{table}/lineage").text)
    assert {f"/artifact/{parquet}", f"/run/{story.runs['later']}"} <= set(page.hrefs)
    near = story.client.get(f"/artifact/{table}/lineage.json?up=0&down=1").json()
    assert [run["uid"] for run in near["graph"]["runs"]] == [story.runs["later"]]
    assert [row["uid"] for row in near["affected"]] == [story.runs["later"]]
    past = story.client.get(f"/artifact/{table}/lineage.json?as_of=2000-01-01").json()
    assert past["graph"]["runs"] == []


def test_lineage_page_with_failed_off_excludes_failed_runs(story: Story) -> None:
    path = f"/artifact/{story.artifacts['csv']}/lineage.json"
    shown = {run["uid"] for run in story.client.get(path).json()["graph"]["runs"]}
    rest = {run["uid"] for run in story.client.get(f"{path}?failed=off").json()["graph"]["runs"]}
    assert story.runs["failed"] in shown
    assert story.runs["failed"] not in rest
    assert story.runs["later"] in rest


def test_lineage_page_is_exported_as_svg_and_csv(story: Story) -> None:
    path = f"/artifact/{story.artifacts['csv']}/lineage"
    drawing = story.client.get(f"{path}.svg")
    assert drawing.headers["content-type"].startswith("image/svg+xml")
    assert drawing.text.startswith("<svg")
    assert "<style>" in drawing.text
    rows = list(csv.DictReader(io.StringIO(story.client.get(f"{path}.csv").text)))
    assert [(row["kind"], row["uid"]) for row in rows] == [
        ("run", story.runs["later"]),
        ("artifact", story.artifacts["parquet"]),
    ]


def test_tables_are_exported_as_csv(story: Story) -> None:
    response = story.client.get("/runs.csv?level=all")
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert {row["uid"] for row in rows} == set(story.runs.values())
