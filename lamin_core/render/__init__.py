"""Drawings and trees of lineage and of hierarchies."""
