"""What becomes of errors of the recording: one warning each, unless `LAMIN_STRICT=1`."""

from __future__ import annotations

from openlineage.lamin.adapter.guard import Guard

log_exceptions = Guard("lineage of this run is incomplete")
warn = log_exceptions.handle
missing_outputs = Guard("lineage of this run is incomplete")
