"""Runs of Nextflow that have ended: read from what they left on disk, sent as the events of the observer."""
