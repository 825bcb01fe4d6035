"""`snakemake --reporter lamin`: a workflow that has finished becomes runs, files and edges of the registry.

Snakemake imports this package on every call, used or not, so that nothing heavy is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_common.logging import get_logger
from snakemake_interface_report_plugins.reporter import ReporterBase
from snakemake_interface_report_plugins.settings import ReportSettingsBase

if TYPE_CHECKING:
    from lamin_snakemake.metadata import OutputRecord


@dataclass
class ReportSettings(ReportSettingsBase):
    """What can be set: as `--report-lamin-...`, in a profile, or as `SNAKEMAKE_REPORT_LAMIN_...`."""

    name: str | None = field(
        default=None,
        metadata={
            "help": "What the workflow is called in the registry, as for --logger-lamin-name.",
            "env_var": True,
            "type": str,
        },
    )


class Reporter(ReporterBase):
    """Reads the records of the jobs in the graph; what is no longer in it, `lamin import snakemake` reads."""

    def render(self) -> None:
        """Record the jobs that the registry does not have. Raises `WorkflowError` where there is no registry."""
        from lamin_core.errors import LaminError
        from lamin_snakemake.importing import import_workflow, workflow_of

        snakefile = os.path.abspath(self.dag.workflow.main_snakefile)
        workflow = workflow_of(snakefile, getattr(self.settings, "name", None))
        try:
            report = import_workflow(Path.cwd(), self._records(), workflow)
        except LaminError as error:
            raise WorkflowError(str(error)) from error
        get_logger().info(f"lamin: {report}")

    def _records(self) -> Iterator[OutputRecord]:
        """The records of all outputs: also of jobs that the report itself leaves out, as checkpoints."""
        from lamin_snakemake.metadata import OutputRecord

        persistence = self.dag.workflow.persistence
        for jobs in self.dag.toposorted():
            for job in jobs:
                for output in job.output:
                    record = persistence.metadata(output)
                    fields = record if isinstance(record, dict) else dict(record or ())
                    finished = OutputRecord.of(str(output), fields, job.wildcards_dict)
                    if finished is not None:
                        yield replace(
                            finished,
                            named_params=_named_params(job, finished),
                            benchmark=str(job.benchmark) if job.benchmark else None,
                        )


def _named_params(job: Any, record: OutputRecord) -> dict[str, Any] | None:
    """The params by name, if their values are still those that the record has; the Snakefile may have changed since."""
    from lamin_snakemake.plain_values import params_by_name

    if sorted(map(repr, job.non_derived_params)) != sorted(record.params):
        return None
    return params_by_name(job.params._allitems())
