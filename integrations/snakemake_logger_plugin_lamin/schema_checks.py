"""Outputs of jobs that say in `params.lamin_schema` what their tables should fit: checked after the job has ended."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lamin_core.errors import Unavailable
from lamin_snakemake import facts
from lamin_snakemake.table_checker import TableChecker
from openlineage.lamin.adapter.guard import Guard
from openlineage.lamin.adapter.table_checks import may_be_a_table
from openlineage.lamin.emit.events import Dataset, Run
from openlineage.lamin.emit.facets import lamin_features
from snakemake_logger_plugin_lamin.digests import Contents, stamp


@dataclass(frozen=True, slots=True)
class _Tables:
    run: Run
    schemas: tuple[tuple[facts.File, str], ...]


class SchemaChecks:
    """Checks tables in another thread and process, and passes the results of each job to `tell`.

    Both begin with the first job that names a schema. A misfit is a feature of the artifact: no logger can fail a job.
    """

    def __init__(self, contents: Contents, tell: Callable[[facts.Fact], None]) -> None:
        self._contents = contents
        self._tell = tell
        self._waiting: queue.SimpleQueue[_Tables] = queue.SimpleQueue()
        self._checker: TableChecker | None = None
        self._guard = Guard("a table was not checked")
        self.open = 0
        """Jobs whose tables were submitted and not yet heard of; counted by the thread that submits and hears."""

    def submit(self, run: Run, files: Iterable[facts.File], schemas: Mapping[str, str]) -> None:
        """Check the outputs of this run that have a schema; `schemas` by their paths."""
        outputs = {file.path: file for file in files}
        for name in schemas.keys() - outputs.keys():
            self._guard.warn(Unavailable(f"{run.job.name} has no output {name!r}"))
        tables = tuple(
            (outputs[path], schema)
            for path, schema in schemas.items()
            if _is_checked(outputs, path)
        )
        if not tables:
            return
        if self._checker is None:
            self._checker = TableChecker()
            threading.Thread(target=self._work, name="lamin-schemas", daemon=True).start()
        self.open += 1
        self._waiting.put(_Tables(run, tables))

    def hear(self) -> None:
        """The tables of one more job are checked."""
        self.open -= 1

    def close(self) -> None:
        """End the process; what it has not checked is left out, with a warning."""
        if self.open:
            self._guard.warn(Unavailable(f"Snakemake ended before those of {self.open} jobs were"))
        if self._checker is not None:
            self._checker.close()

    def _work(self) -> None:
        while True:
            tables = self._waiting.get()
            datasets = tuple(self._checked(tables))
            self._tell(facts.Checked(time.time(), tables.run, datasets))

    def _checked(self, tables: _Tables) -> Iterator[Dataset]:
        for file, schema in tables.schemas:
            try:
                dataset = self._check(file, schema)
            except Exception as error:
                self._guard.warn(error)
            else:
                if dataset is not None:
                    yield dataset

    def _check(self, file: facts.File, schema: str) -> Dataset | None:
        assert self._checker is not None
        done = self._checker.check(file.path, schema)
        if stamp(file.path) != file.stamp:
            raise Unavailable(f"{file.path!r} was removed or changed before it was checked")
        if done is None:
            return None
        (dataset,) = self._contents.outlines([file])
        checked = lamin_features(done.features, schema=done.fitting_schema)
        return replace(dataset, facets={**dataset.facets, "lamin_features": checked})


def _is_checked(outputs: Mapping[str, facts.File], path: str) -> bool:
    return path in outputs and may_be_a_table(path)
