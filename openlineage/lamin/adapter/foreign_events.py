"""Events of other protocols: what an integration registers so that a server takes what its engine posts itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openlineage.lamin.emit.events import Event


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The facts of a run in a registry: the name of its job, its engine's version and its details."""

    job_name: str
    engine_version: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Recall = Callable[[str], RecordedRun | None]
"""Looks a run up by its id; None of one that is not recorded."""


class ForeignEvents(ABC):
    """Translates the messages that come in at one path; registered as entry point in `openlineage.lamin.receivers`.

    A server calls both methods in threads.
    """

    path: str
    """The route that receives the messages: `/api/v1/ENGINE/...`."""

    @abstractmethod
    def events(
        self, message: Mapping[str, Any], query: Mapping[str, str], recall: Recall
    ) -> Sequence[Event]:
        """Return the events that a message amounts to, without a look at any file.

        Args:
            message: The JSON object that was posted.
            query: The parameters in its URL.
            recall: Looks up runs, for what a server that was started since cannot remember.

        Raises:
            MalformedEvent: it is no message of this protocol.
        """

    def later_events(self, message: Mapping[str, Any]) -> Sequence[Event]:
        """Return events that take longer, after the response: with the contents of files that this machine can read."""
        return ()
