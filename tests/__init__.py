"""A package, not a namespace: another distribution ships a top-level `tests`, and ours must come first."""
