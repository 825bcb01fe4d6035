"""Organisms that people call by a common name, with their scientific name and number in NCBITaxon."""

from __future__ import annotations

COMMON: dict[str, tuple[str, str]] = {
    "human": ("Homo sapiens", "NCBITaxon:9606"),
    "mouse": ("Mus musculus", "NCBITaxon:10090"),
    "rat": ("Rattus norvegicus", "NCBITaxon:10116"),
    "zebrafish": ("Danio rerio", "NCBITaxon:7955"),
    "fruit fly": ("Drosophila melanogaster", "NCBITaxon:7227"),
    "roundworm": ("Caenorhabditis elegans", "NCBITaxon:6239"),
    "yeast": ("Saccharomyces cerevisiae", "NCBITaxon:4932"),
    "thale cress": ("Arabidopsis thaliana", "NCBITaxon:3702"),
    "chicken": ("Gallus gallus", "NCBITaxon:9031"),
    "pig": ("Sus scrofa", "NCBITaxon:9823"),
    "cattle": ("Bos taurus", "NCBITaxon:9913"),
    "sheep": ("Ovis aries", "NCBITaxon:9940"),
    "dog": ("Canis lupus familiaris", "NCBITaxon:9615"),
    "cat": ("Felis catus", "NCBITaxon:9685"),
    "rabbit": ("Oryctolagus cuniculus", "NCBITaxon:9986"),
    "chimpanzee": ("Pan troglodytes", "NCBITaxon:9598"),
    "gorilla": ("Gorilla gorilla", "NCBITaxon:9593"),
    "rhesus macaque": ("Macaca mulatta", "NCBITaxon:9544"),
    "crab-eating macaque": ("Macaca fascicularis", "NCBITaxon:9541"),
    "marmoset": ("Callithrix jacchus", "NCBITaxon:9483"),
    "gray mouse lemur": ("Microcebus murinus", "NCBITaxon:30608"),
    "western clawed frog": ("Xenopus tropicalis", "NCBITaxon:8364"),
    "escherichia coli": ("Escherichia coli", "NCBITaxon:562"),
    "sars-2": ("Severe acute respiratory syndrome coronavirus 2", "NCBITaxon:2697049"),
}
"""By common name."""
