"""Biological registries: records of public terms, what is above them, and what is labelled with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
import lamin_core.bionty as bt
from lamin_core.errors import Conflict, InvalidArgument, MultipleFound, NotFound, ValidationError
from lamin_core.instance.instance import Instance
from lamin_core.ontology import registry
from lamin_core.ontology.registries import REGISTRIES

pytest.importorskip("cellxgene_ontology_guide", reason="the extra 'ontology' is not installed")
pytestmark = pytest.mark.usefixtures("instance")


@pytest.fixture
def artifact() -> ln.Artifact:
    Path("cells.txt").write_text("cells")
    return ln.Artifact("cells.txt", key="cells.txt").save()


def test_from_source_saves_the_parent_terms_and_the_source() -> None:
    neuron = bt.CellType.from_source(name="neuron").save()
    assert neuron.ontology_id == "CL:0000540"
    assert "neural cell" in neuron.parents.to_list("name")
    assert "cell" in neuron.query_parents().to_list("name")
    assert neuron.source is not None
    assert (neuron.source.name, neuron.source.entity) == ("cl", "bionty.CellType")
    number = bt.CellType.count()
    assert bt.CellType.from_source(ontology_id="CL:0000540").id == neuron.id
    assert bt.CellType.from_source(name="nerve cell") == neuron  # a synonym
    bt.CellType.from_source(name="neuron").save()
    assert (bt.CellType.count(), bt.Source.count()) == (number, 1)


def test_user_defined_terms_have_parents_without_cycles() -> None:
    neuron = bt.CellType.from_source(name="neuron").save()
    state = bt.CellType(name="my neuron cell state", description="explains X").save()
    state.parents.add(neuron)
    assert state.source is None
    assert bt.CellType(name="my neuron cell state").save() == state
    assert bt.CellType(name="neuron").save() == neuron
    graph = state.view_parents(distance=1, return_graph=True)
    assert sorted(graph.names.values()) == ["my neuron cell state", "neuron"]
    with pytest.raises(InvalidArgument, match="would be above and below"):
        neuron.parents.add(state)
    state.add_synonym("mncs")
    assert bt.CellType.standardize(["MNCS", "other"]) == ["my neuron cell state", "other"]
    state.set_abbr("MN")
    assert bt.CellType.get(abbr="MN").synonyms == "mncs|MN"
    assert bt.CellType.validate(["neuron", "nuron"]).tolist() == [True, False]


def test_artifacts_are_labelled_and_filtered_by_terms(artifact: ln.Artifact) -> None:
    cell_type = bt.CellType.from_source(name="effector T cell").save()
    artifact.cell_types.add(cell_type)
    assert ln.Artifact.get(cell_types__name="effector T cell") == artifact
    assert ln.Artifact.filter(cell_types=cell_type).one() == artifact
    assert cell_type.artifacts.one() == artifact
    with pytest.raises(Conflict, match="is used by 1 artifact"):
        cell_type.delete(permanent=True)
    tissue = bt.Tissue.from_source(name="lung").save()
    ln.Feature(name="tissue", dtype=bt.Tissue).save()
    ln.Feature(name="any", dtype="cat[bionty.Tissue|ULabel]").save()
    artifact.features.add_values({"tissue": "lung"})
    assert artifact.features.get_values() == {"tissue": "lung"}
    assert ln.Artifact.filter(tissue="lung").one() == artifact
    assert artifact.tissues.one() == tissue
    with pytest.raises(ValidationError, match=r" bt.Tissue.from_values\(\['lng'\]"):
        artifact.features.add_values({"tissue": "lng"})


def test_genes_belong_to_an_organism() -> None:
    gene = bt.Gene.from_source(symbol="CD8A", organism="human").save()
    assert gene.ensembl_gene_id == "ENSG00000153563"
    assert gene.organism is not None
    assert gene.organism.scientific_name == "Homo sapiens"
    bt.Gene(symbol="Cd8a", organism="mouse").save()
    genes = bt.Gene.filter(organism__name="human").lookup()
    assert genes.cd8a == gene
    assert [gene.symbol for gene in bt.Gene.filter(organism__name="mouse")] == ["Cd8a"]
    assert bt.Gene.validate(["CD8A", "Cd8a"], organism="human", mute=True).tolist() == [True, False]
    gene.add_synonym("my CD8")
    assert bt.Gene.standardize(["my CD8"], organism=gene.organism) == ["CD8A"]
    assert bt.Gene.inspect(["my CD8", "CD8A"], organism="mouse").validated == []
    with pytest.raises(InvalidArgument, match="takes no argument 'species'"):
        bt.Gene.validate(["CD8A"], species="human")
    schema = ln.Schema(itype=bt.Gene.ensembl_gene_id, dtype=int).save()
    schema.genes.add(gene)
    assert ln.FeatureSet.filter(genes=genes.cd8a).one() == schema


def test_from_values_returns_public_terms_and_creates_others_if_requested(
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = ["T cell", "B cell", "my cell", None]
    records = bt.CellType.from_values(values).save()
    assert [record.name for record in records] == ["T cell", "B cell"]
    assert "1 of the values name no CellType by name: 'my cell'" in caplog.text
    records = bt.CellType.from_values(values, create=True).save()
    assert [record.ontology_id for record in records] == ["CL:0000084", "CL:0000236", None]
    by_id = bt.CellType.from_values(["CL:0000084"], field=bt.CellType.ontology_id)
    assert by_id[0].id == records[0].id


def test_import_source_saves_all_terms_once() -> None:
    stages = bt.DevelopmentalStage.import_source(organism="human")
    assert stages == bt.DevelopmentalStage.count() > 200
    assert bt.DevelopmentalStage.import_source(organism="human") == 0
    assert bt.DevelopmentalStage.filter(parents__isnull=False).count() > 100


@pytest.mark.parametrize("kind", REGISTRIES, ids=lambda kind: kind.__name__)
def test_every_registry_saves_searches_and_labels(kind: type, artifact: ln.Artifact) -> None:
    terms = registry(f"bionty.{kind.__name__}")
    record = terms(**{terms._name_field: "a term of mine"}).save()
    assert terms.search("term").one() == record
    artifact.labels.add(record)
    assert list(artifact.labels.all().values()) == [["a term of mine"]]
    record.delete()
    assert terms.count() == 0
    record.restore()
    assert terms.get(record.uid) == record


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bt.CellType.from_source(name="nuron"), NotFound, "did you mean 'neuron'"),
        (lambda: bt.CellType.from_source(ontology_id="CL:0000003"), NotFound, "replaced by CL:"),
        (lambda: bt.CellType.from_source(), InvalidArgument, "name one field"),
        (lambda: bt.CellType.from_source(color="red"), InvalidArgument, "no field 'color'"),
        (lambda: bt.CellType.public(source="cl@v1"), InvalidArgument, "one of v2026-03-26"),
        (lambda: bt.CellType.public(source="go"), InvalidArgument, "no source 'go'"),
        (lambda: bt.Gene.public("martian"), InvalidArgument, "the organism 'martian'"),
        (lambda: bt.Gene(symbol="X", organism="martian").save(), InvalidArgument, "no organism"),
        (lambda: bt.Gene().save(), InvalidArgument, "a Gene needs a symbol"),
        (lambda: bt.CellMarker.public(), InvalidArgument, r"bt.CellMarker.add_source\("),
        (lambda: bt.CellMarker.from_source(name="CD8"), InvalidArgument, "no package carries"),
        (lambda: registry("bionty.Planet"), InvalidArgument, "no registry 'bionty.Planet'"),
    ],
)
def test_invalid_calls_are_refused_and_save_nothing(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
    assert sum(kind.count() for kind in (*REGISTRIES, bt.Source)) == 0


def test_term_of_another_ontology_version_names_that_version(instance: Instance) -> None:
    public = bt.CellType.public()
    gone = public.diff("cl@v2025-02-13").added
    assert gone, "every version gives up some terms"
    with pytest.raises(NotFound, match=r"was replaced|version v2025|names no other"):
        bt.CellType.from_source(ontology_id=gone[0])


def test_ambiguous_name_lists_the_terms(tmp_path: Path) -> None:
    path = tmp_path / "two.tsv"
    path.write_text("ontology_id\tname\nX:1\tsame\nX:2\tsame\nX:3\tother\n")
    bt.Pathway.add_source(str(path), name="mine", version="1")
    with pytest.raises(MultipleFound, match=r"X:1 \(same\), X:2 \(same\)"):
        bt.Pathway.from_source(name="same", source="mine")
    assert bt.Pathway.from_values(["same", "other"], source="mine")[0].name == "other"
    assert bt.Pathway.from_source(ontology_id="X:2", source="mine").save().name == "same"
