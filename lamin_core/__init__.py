"""The lineage registry that fills itself."""

__version__ = "0.1.0"
