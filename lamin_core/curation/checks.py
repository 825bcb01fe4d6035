"""Checks of saved artifacts against a schema: whether one fits stays with it, as values of two features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamin_core.curation.curators import checked_schema
from lamin_core.curation.objects import CURATORS
from lamin_core.errors import InvalidArgument, ValidationError
from lamin_core.models import Artifact, Feature, Schema
from lamin_core.models.checks import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECK = "schema_check"
"""The feature that says `passed` or `failed`."""
PROBLEMS = "schema_problems"
"""The feature that says what is wrong."""


def check(artifact: Artifact, schema: Schema, *, strict: bool = False) -> bool:
    """Check a saved artifact against a schema; annotate it where it fits, and note the result as features.

    Args:
        artifact: A table or an AnnData; its bytes stay as they are.
        schema: What it should fit.
        strict: Raise for a misfit, after it was noted, so that the job fails.

    Returns:
        Whether it fits: the value of its feature `schema_check` is `passed` or `failed`.

    Raises:
        ValidationError: With `strict`, what is wrong with it.
        InvalidArgument: For an artifact that is no table and no AnnData.
    """
    if not isinstance(artifact, Artifact):
        raise InvalidArgument(
            f"not an artifact: {shown(artifact)}", hint="ln.Artifact.get(key=...)"
        )
    schema = checked_schema(schema)
    dataset = artifact.load()
    if type(dataset).__name__ not in CURATORS:
        raise InvalidArgument(
            f"{artifact.key or artifact.uid!r} is a {type(dataset).__name__}: no schema applies to it",
            hint=f"schemas apply to: {', '.join(CURATORS)}",
        )
    curator = CURATORS[type(dataset).__name__].of_loaded(artifact, dataset, schema)
    try:
        curator.save_artifact()
    except ValidationError as error:
        _note(artifact, {CHECK: "failed", PROBLEMS: error.message})
        if strict:
            raise
        return False
    _note(artifact, {CHECK: "passed"})
    return True


def _note(artifact: Artifact, values: Mapping[str, str]) -> None:
    """Let the artifact have the result of this check and of none before it."""
    for name in (CHECK, PROBLEMS):
        Feature(name=name, dtype=str).save()
    artifact.features.remove_values([CHECK, PROBLEMS])
    artifact.features.add_values(values)
