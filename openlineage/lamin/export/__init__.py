"""Export of a registry as OpenLineage events."""
