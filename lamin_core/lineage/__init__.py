"""The read side of lineage: traversal, graph, comparison of runs."""
