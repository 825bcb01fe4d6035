"""The declarations of a decorator about outputs: paths, a schema for validation, features, labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from lamin_core.errors import InvalidArgument, LaminError, NotFound, ValidationError
from lamin_prefect import path_discovery
from lamin_prefect.declarations import Declaration
from lamin_prefect.file_use import FileUse, absolute
from lamin_prefect.tables import tables_for, write
from lamin_prefect.translate import parameters
from openlineage.lamin.adapter.table_checks import TableCheck, check
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Dataset


@dataclass(slots=True)
class DeclaredOutputs:
    """The declared outputs of one call."""

    declaration: Declaration
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    files: FileUse
    _tables: dict[str, Any] = field(default_factory=dict)
    """The tables that the function returned, by their absolute paths."""
    _checks: dict[str, TableCheck] = field(default_factory=dict)
    """The check of each table, by its absolute path."""

    @property
    def takes_tables(self) -> bool:
        """Whether there is something to do with the result before the run has succeeded."""
        return bool(self.declaration.outputs) or self.declaration.is_strict

    def paths(self) -> list[str]:
        """The declared paths of this call. Raises `InvalidArgument` for an unknown parameter in braces."""
        return path_discovery.filled(self.declaration.outputs, self.arguments)

    def take(self, result: Any) -> None:
        """Write the tables in the result, and check them if a misfit fails the run.

        Raises what writing raises, and `ValidationError` for a misfit, which is an output all the same. A template
        that cannot be filled is no reason to fail a run: the warning follows when its outputs are looked for.
        """
        try:
            paths = self.paths()
        except InvalidArgument:
            return
        for path, table in tables_for(paths, result).items():
            if not self.files.has_written(path):
                write(path, table)
            self._tables[absolute(path)] = table
        if self.declaration.is_strict:
            with suppress(
                LaminError
            ):  # a check that cannot be made fails no run: `check` warns of it
                self._check(result)
            misfits = [f"{p}: {done.problems}" for p, done in self._checks.items() if done.problems]
            if misfits:
                self.files.wrote(self._checks)
                raise ValidationError("\n".join(misfits), hint="strict=False lets it pass")

    def check(self, result: Any) -> None:
        """Check the tables that the run gives out, unless they have been. Raises `LaminError` where it cannot."""
        if not self._checks:
            self._check(result)

    def _check(self, result: Any) -> None:
        schema = self.declaration.schema
        if schema is None:
            return
        returned = path_discovery.in_result(self.function, result)
        for path in dict.fromkeys(map(absolute, [*self.paths(), *returned])):
            done = check(path, self._tables.get(path), schema)
            if done is not None:
                self._checks[path] = done

    def forget_tables(self) -> None:
        """Let go of what the function returned."""
        self._tables.clear()
        self._checks.clear()

    def missing(self, job: str) -> Iterator[NotFound]:
        """An error for each template that names no file, now that the run of this job has ended."""
        for path, template in zip(self.paths(), self.declaration.outputs, strict=True):
            if "://" not in path and not os.path.exists(path):
                yield NotFound(
                    f"{job} declares outputs={template!r}, and no such file is there",
                    hint="write it, or return a DataFrame or AnnData",
                )

    def annotated(self, outputs: list[Dataset]) -> list[Dataset]:
        """The outputs with the features and labels that are declared, and with what the check says."""
        features = filled_values(self.declaration.features, self.arguments)
        labels = path_discovery.filled(self.declaration.labels, self.arguments)
        return [
            annotated(dataset, features, labels, self._checks.get(dataset.name))
            for dataset in outputs
        ]


def filled_values(values: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The values of features, with the call's arguments in the braces of texts, as JSON. Raises `InvalidArgument`.

    Records, which are the values of categorical features, become their names.

    >>> filled_values({"organ": "{name}", "rows": 3}, {"name": "liver"})
    {'organ': 'liver', 'rows': 3}
    """
    filled = {
        name: path_discovery.fill(value, arguments)
        if isinstance(value, str)
        else _with_names(value)
        for name, value in values.items()
    }
    return parameters(filled)


def _with_names(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_with_names(item) for item in value]
    is_record = hasattr(type(value), "uid") and hasattr(type(value), "name")
    return value.name if is_record else value


def annotated(
    dataset: Dataset, features: Mapping[str, Any], labels: Sequence[str], done: TableCheck | None
) -> Dataset:
    """The dataset with these values of features, these labels and the check, beside what it has."""
    described = dict(dataset.facets)
    values = {**features, **(done.features if done else {})}
    if values:
        existing = described.get("lamin_features", {}).get("values", {})
        schema = done.fitting_schema if done else None
        described["lamin_features"] = facets.lamin_features({**existing, **values}, schema=schema)
    if labels:
        described["tags"] = facets.tags("Dataset", [(label, "") for label in labels])
    return replace(dataset, facets=described)
