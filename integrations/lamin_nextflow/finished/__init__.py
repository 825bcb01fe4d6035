"""Runs of Nextflow that have ended: read from what they left on disk, and sent as the events that the observer sends."""
