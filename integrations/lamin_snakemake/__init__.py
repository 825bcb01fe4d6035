"""What Snakemake's plugins of this project share: the facts of a workflow, and what they are in OpenLineage's terms.

The logger plugin reads them off a running workflow; nothing here needs Snakemake.
"""
