"""A registry with a bit of everything, hostile names among it, for the tests of the web pages."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from starlette.testclient import TestClient

import lamin_core as ln
import lamin_core.bionty as bt
from lamin_core.instance.instance import Instance
from lamin_core.models import Note
from lamin_core.server.app import application
from lamin_core.server.web.site import page_routes

SCRIPT = "<script>document.title='pwned'</script>"
IMAGE = "<img src=x onerror=\"document.title='pwned'\">"
QUOTES = "\"'><svg onload=\"document.title='pwned'\">"
TURNED = "\u202egnp.exe"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True)
class Story:
    """The client, the instance, and the uids of what the tests look at."""

    client: TestClient
    instance: Instance
    artifacts: dict[str, str]
    """By suffix of the key."""
    runs: dict[str, str]
    transforms: tuple[str, str]
    others: dict[str, str]

    @property
    def paths(self) -> list[str]:
        """A URL of every kind of page."""
        old, new = self.transforms
        failed, later = self.runs["failed"], self.runs["later"]
        records = [f"/{kind}/{uid}" for kind, uid in self.others.items()]
        of_artifacts = [f"/artifact/{uid}" for uid in self.artifacts.values()]
        table = self.artifacts["csv"]
        return [
            *("/", "/search", f"/search?q={SCRIPT}", "/instance"),
            *("/artifacts", "/runs?level=all", "/transforms", "/collections", "/labels", "/features", "/storages"),
            *of_artifacts,
            *records,
            *(f"/transform/{new}", f"/transform/{new}?against={old}"),
            *(f"/run/{failed}", f"/run/{later}", f"/diff/{failed}/{later}"),
            *(f"/artifact/{table}/lineage", f"/run/{later}/lineage?failed=off&group=code"),
        ]  # fmt: skip


def serve(instance: Instance, **more: object) -> TestClient:
    """The pages over this instance, without OpenLineage."""
    app = application(instance.db, pages=page_routes(instance.db), **more)  # type: ignore[arg-type]
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def tell(instance: Instance, folder: Path) -> Story:
    """Fill the registry that Python is connected to."""
    old = ln.Transform(key=f"fit {SCRIPT}.py", source_code=f"x = 1\n{IMAGE}\n").save()
    failed = ln.Run(old, name=QUOTES, params={SCRIPT: IMAGE, "alpha": 0.1}).save()
    artifacts = {}
    for suffix, content in _files().items():
        path = folder / f"file{suffix}"
        path.write_bytes(content)
        key = f"raw/{SCRIPT.replace('/', '')}{TURNED}{suffix}"
        artifacts[suffix[1:]] = ln.Artifact(path, key=key, run=failed, description=QUOTES).save()
    frame = pd.DataFrame({SCRIPT: [IMAGE, QUOTES], "p": [0.5, None]})
    artifacts["parquet"] = ln.Artifact.from_df(frame, key="results/table.parquet", run=False).save()
    failed.fail(f"Traceback {SCRIPT}")
    new = ln.Transform(key=old.key, source_code=f"x = 2\n{IMAGE}\n").save()
    later = ln.Run(new, params={"alpha": 0.2}).save()
    later.input_artifacts.add(artifacts["csv"])
    later.output_artifacts.add(artifacts["parquet"])
    later.complete()
    step = ln.Run(new, parent=later, name="step of later").save()
    step.complete()
    label = ln.ULabel(name=f"raw {SCRIPT}").save()
    artifacts["csv"].labels.add(label)
    term = bt.CellType(name=f"neuron {SCRIPT}").save()
    artifacts["csv"].cell_types.add(term)
    feature = ln.Feature(name=f"temperature {IMAGE}", dtype=float, unit="C").save()
    artifacts["csv"].features.add_values({feature.name: 20.5})
    project = ln.Project(name=f"atlas {SCRIPT}").save()
    artifacts["csv"].projects.add(project)
    reference = ln.Reference(name=f"first paper {IMAGE}", authors="Regev").save()
    schema = ln.Schema([feature], name=f"columns of atlas {IMAGE}").save()
    with instance.db.writing() as session:
        text = f"pipetted twice {SCRIPT}"
        session.add(Note(table_name="artifact", record_uid=artifacts["csv"].uid, text=text))
    members = [artifacts["csv"], artifacts["parquet"]]
    collection = ln.Collection(members, key=f"both {SCRIPT}").save()
    return Story(
        serve(instance),
        instance,
        {name: artifact.uid for name, artifact in artifacts.items()},
        {"failed": failed.uid, "later": later.uid, "step": step.uid},
        (old.uid, new.uid),
        {
            "label": label.uid,
            "term/bionty.CellType": term.uid,
            "feature": feature.uid,
            "schema": schema.uid,
            "term/Project": project.uid,
            "term/Reference": reference.uid,
            "collection": collection.uid,
            "storage": artifacts["csv"].storage.uid,
        },
    )


def _files() -> dict[str, bytes]:
    """The content of a file of each kind, by suffix; each would run if a page let it."""
    hostile = f"{SCRIPT}{IMAGE}"
    cells = [
        {"cell_type": "markdown", "source": [hostile]},
        {
            "cell_type": "code",
            "source": hostile,
            "outputs": [
                {"data": {"text/html": hostile, "text/plain": ["plain ", hostile]}},
                {"text": "printed"},
            ],
        },
    ]
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}<rect width='9' height='9'/></svg>"
    return {
        ".csv": f"gene,{SCRIPT}\n{IMAGE},=1+1\n".encode(),
        ".html": f"<html><body>{hostile}</body></html>".encode(),
        ".svg": svg.encode(),
        ".png": PNG,
        ".ipynb": json.dumps({"cells": cells}).encode(),
        ".md": f"# {hostile}\n".encode(),
    }
