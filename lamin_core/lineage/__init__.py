"""Lineage: the facts of a run, the one place that writes them, and the walk over what was written."""
