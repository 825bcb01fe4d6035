"""OpenLineage for the lineage registry: an emit half that knows no database, and a receive half that fills one."""
