"""Nextflow with lineage: `lamin nextflow run main.nf` is the user's own Nextflow plus our observer plugin.

The observer is Java (`integrations/nextflow_plugin`, shipped here as `lamin-nextflow.jar`); this
package finds or fetches a Nextflow, builds the observer, and carries its events to the registry
while the pipeline runs.
"""
