"""What Snakemake's plugins of this project share, and what a Snakefile may import.

The facts of a workflow and their translation into OpenLineage's terms, which need neither Snakemake nor a database;
`newest()` and the wrappers, which ask a registry.
"""

from __future__ import annotations

from pathlib import Path

WRAPPER_PREFIX = f"file:{Path(__file__).parent / 'wrappers'}/"
"""The prefix of `lamin/save` in a `wrapper:` directive; `lamin snakemake wrapper-prefix` prints it."""


def newest(key: str) -> str:
    """Return `key@version` of the latest version under this key, to pin it in the params of a rule.

    Snakemake runs a rule again whose params have changed: one that stages `newest(key)` does so as
    soon as there is a newer version. Raises `NotFound`.
    """
    from lamin_snakemake.records import artifact_named

    artifact = artifact_named(key)
    return f"{artifact.key}@{artifact.version}"
