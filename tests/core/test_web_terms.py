"""The pages of labels and terms: what is wider and narrower, and how many artifacts are below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
import lamin_core.bionty as bt
from lamin_core.instance.instance import Instance

pytest.importorskip("prometheus_client", reason="the extra server is not installed")
from tests.support.web_registry import serve


def _artifacts(number: int) -> list[ln.Artifact]:
    for index in range(number):
        Path(f"{index}.txt").write_text(str(index))
    return [ln.Artifact(f"{index}.txt", run=False).save() for index in range(number)]


def _related(data: dict[str, Any], relation: str) -> list[tuple[str, int | None]]:
    rows = [row for row in data["related"] if row["relation"] == relation]
    return sorted((row["name"], row["artifacts"]) for row in rows)


@pytest.mark.parametrize("registry", [ln.ULabel, bt.CellType])
def test_term_page_counts_artifacts_of_narrower_terms_once(
    instance: Instance, registry: Any
) -> None:
    names = ("any", "cell", "neuron", "motor", "glia")
    top, cell, neuron, motor, glia = (registry(name=name).save() for name in names)
    top.children.add(cell)
    cell.children.add(neuron, glia)
    neuron.children.add(motor)
    glia.children.add(motor)
    relation = "ulabels" if registry is ln.ULabel else "cell_types"
    first, second, trashed = _artifacts(3)
    for artifact, terms in ((first, (motor, cell)), (second, (glia,)), (trashed, (motor,))):
        getattr(artifact, relation).add(*terms)
    trashed.delete()
    client = serve(instance)
    path = "/label" if registry is ln.ULabel else "/term/bionty.CellType"
    data = client.get(f"{path}/{cell.uid}.json").json()
    assert _related(data, "wider") == [("any", None)]
    assert _related(data, "narrower") == [("glia", 2), ("neuron", 1)]
    assert data["artifacts_with_narrower"] == 2
    assert [row["key"] for row in data["artifacts"]] == [first.key]
    page = client.get(f"{path}/{cell.uid}").text
    assert f'href="{path}/{glia.uid}">glia (2)</a>' in page
    assert f'href="{path}/{cell.uid}"' in client.get(f"/artifact/{first.uid}").text


def test_term_page_shows_the_term_and_unknown_terms_are_not_found(instance: Instance) -> None:
    gene = bt.Gene(symbol="TP53", ensembl_gene_id="ENSG00000141510").save()
    client = serve(instance)
    data = client.get(f"/term/bionty.Gene/{gene.uid}.json").json()
    assert (data["name"], data["related"], data["artifacts_with_narrower"]) == ("TP53", [], 0)
    for path in ("bionty.Nothing/x", "core.Nothing/x", "Run/x", f"bionty.CellType/{gene.uid}"):
        assert client.get(f"/term/{path}").status_code == 404, path
