"""`snakemake --logger lamin`: every workflow, rule and job becomes a Transform, a Run and its Artifacts.

Snakemake imports this package on every call, whether it is used or not, so that nothing heavy is
imported here and nothing can fail here: the recording half is loaded when a handler is made.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

if TYPE_CHECKING:
    from snakemake_logger_plugin_lamin.recording import Recording


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """The settings: `--logger-lamin-...`, in a profile, or `SNAKEMAKE_LOGGER_LAMIN_...` in the environment."""

    name: str | None = field(
        default=None,
        metadata={
            "help": "What the workflow is called in the registry. Default: owner/name of the git "
            "remote with the path of the Snakefile there, else the name of the Snakefile.",
            "env_var": True,
            "type": str,
        },
    )

    hash_limit: int | None = field(
        default=None,
        metadata={
            "help": "Do not hash files and folders above this size in bytes: they are recorded by "
            "size and time, and marked as unverified. Default: 10 GiB; -1 for no limit.",
            "env_var": True,
            "type": int,
        },
    )


class LogHandler(LogHandlerBase):
    """Snakemake's handle on one recording: opened with the invocation, closed with it.

    The facts are read in the thread that logs them, by a filter (see `event_extractor`): a handler is called
    later, in a thread that all plugins share, when the jobs have moved on. So `emit` has nothing to
    do, and cannot harm other plugins.
    """

    _recording: Recording | None = None

    def __post_init__(self) -> None:
        if getattr(self.common_settings, "dryrun", False):
            return
        try:
            from snakemake_logger_plugin_lamin.recording import Recording

            self._recording = Recording(
                getattr(self.settings, "hash_limit", None), getattr(self.settings, "name", None)
            )
        except Exception as error:  # without lineage the workflow runs as it always did
            logging.getLogger("lamin").warning("no lineage is recorded: %s", error)

    def emit(self, record: logging.LogRecord) -> None:
        """Do nothing: the record was read when it was logged."""

    def close(self) -> None:
        """End the recording; Snakemake calls this twice."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """The terminal stays Snakemake's."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """No log file of its own."""
        return False

    @property
    def has_filter(self) -> bool:
        """`--quiet` is about the terminal, not about lineage."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Return True, so that Snakemake sets no formatter: nothing is formatted."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Dependencies are read from the jobs; the graph of rules would only cost time."""
        return False


def track(workflow: Any, name: str | None = None) -> None:
    """Record this workflow, as `--logger lamin` does: one line in a Snakefile, where no flag is given.

    Args:
        workflow: The global `workflow` of the Snakefile.
        name: What the workflow is called in the registry; by default as `--logger-lamin-name` says.

    Nothing happens where the workflow is recorded already, nor in the processes that Snakemake
    starts for jobs. Where Snakemake hides what this needs, one warning says so.
    """
    try:
        manager = workflow.logger_manager
        handlers = manager.plugin_handlers
        is_job = manager.settings.skip_plugin_handlers or not workflow.is_main_process
        is_recorded = any(isinstance(handler, LogHandler) for handler in handlers)
        if not is_job and not is_recorded:
            handlers.append(LogHandler(manager.settings, LogHandlerSettings(name=name)))
    except Exception as error:  # without lineage the workflow runs as it always did
        logging.getLogger("lamin").warning("no lineage is recorded: %s", error)
