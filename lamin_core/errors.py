"""All errors that this project raises on purpose; `LaminError` is their base class.

LaminError
├── InvalidArgument      an argument cannot be used (exit code 2 in the shell)
│   ├── InvalidKey       a key that leaves its storage
│   └── NotHere          a name or an argument of LaminDB that is not supported
├── NotFound             no record, file or instance has this name (exit code 3)
│   └── InstanceNotFound
├── Conflict             it contradicts what is stored (exit 4)
│   ├── MultipleFound
│   └── ValidationError
├── Unavailable          database, storage or endpoint out of reach (exit 5)
│   ├── SchemaMismatch   the database is newer or older than this version
│   ├── ReadOnly         it may only be read
│   └── UntrustedInstance  an instance was found that this user has not allowed
├── NotTracked           a run was needed and none is current
├── MalformedEvent       JSON that is not an OpenLineage event
└── MissingExtra         an optional part is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what every short command imports first does without pathlib
    from pathlib import Path


class Hint(str):
    """The next step for the user: in Python the text itself, in a shell `command`, over HTTP `http`.

    >>> hint = Hint("ln.Run.df() lists them", command="`lamin runs` lists them")
    >>> hint, hint_for(hint, SHELL)
    ('ln.Run.df() lists them', '`lamin runs` lists them')
    """

    command: str | None
    http: str | None

    def __new__(cls, python: str, command: str | None = None, http: str | None = None) -> Hint:
        """Create a hint; without a text for the shell or for HTTP, the text for Python is used there."""
        hint = super().__new__(cls, python)
        hint.command, hint.http = command, http
        return hint


NO_INSTANCE = Hint(
    'ln.setup.init("./data"), or in a shell: lamin init --storage ./data',
    command="lamin init --storage ./data",
)

SHELL, HTTP = "shell", "http"


def hint_for(hint: str | None, door: str) -> str | None:
    """Return the text of the hint for this interface: `shell` or `http`."""
    if not isinstance(hint, Hint):
        return hint
    return (hint.command if door == SHELL else hint.http) or str(hint)


class LaminError(Exception):
    """The base class of all errors: a message that says what happened, and a hint that says what to type next.

    >>> str(LaminError("no such key", hint="list them with `lamin artifacts`"))
    'no such key\\n  hint: list them with `lamin artifacts`'
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message if hint is None else f"{message}\n  hint: {hint}")


class InvalidArgument(LaminError, ValueError):
    """An argument cannot be used."""

    exit_code = 2


class InvalidKey(InvalidArgument):
    """A key is absolute, leaves its storage, or contains characters that no storage accepts."""


class NotHere(InvalidArgument, AttributeError):
    """A name or an argument of LaminDB is not supported; the hint says what to use instead."""


class NotFound(LaminError, LookupError):
    """No record, file or instance has this name."""

    exit_code = 3


class ValueNotFound(NotFound, KeyError):
    """A record has no value of this feature."""


class InstanceNotFound(NotFound):
    """There is no `.lamin/` folder in the working directory or above it."""


class Conflict(LaminError):
    """A request contradicts what is stored."""

    exit_code = 4


class MultipleFound(Conflict, LookupError):
    """One record was requested, and several match."""


class ValidationError(Conflict, ValueError):
    """Data do not match their schema."""


class Unavailable(LaminError):
    """A database, a storage or an endpoint cannot be reached."""

    exit_code = 5


class SchemaMismatch(Unavailable):
    """Another version of this package created the database."""


class ReadOnly(Unavailable):
    """A write to a registry that may only be read."""


class UntrustedInstance(Unavailable):
    """The instance that was found is not the user's own, and the user has not allowed it.

    `folder` is its `.lamin` folder; None where there is none yet.
    """

    def __init__(self, message: str, hint: str | None = None, folder: Path | None = None) -> None:
        super().__init__(message, hint)
        self.folder = folder


class NotTracked(LaminError):
    """A run was needed and none is current."""


class MalformedEvent(LaminError, ValueError):
    """JSON that is not an OpenLineage event."""


class MissingExtra(LaminError, ImportError):
    """An optional part of this package is not installed."""

    def __init__(self, module: str, extra: str | None, requirement: str | None = None) -> None:
        """Without an extra of ours that has it, the module or the `requirement` is to be installed itself."""
        if requirement is None:
            requirement = module if extra is None else f"'lamin-core[{extra}]'"
        super().__init__(f"{module} is not installed", hint=f"pip install {requirement}")


# The names by which scripts written for LaminDB, and Django's users, catch these: one class each, several names.
DoesNotExist = ObjectDoesNotExist = UnknownStorageLocation = BlobHashNotFound = NotFound
NoStorageLocationForSpace = NotFound
MultipleObjectsReturned = MultipleResultsFound = MultipleFound
IntegrityError = UpdateContext = NotebookNotSaved = BranchAlreadyExists = Conflict
FieldValidationError = InconsistentKey = FileNotInDevDir = InvalidArgument
NoWriteAccess = ReadOnly
TrackNotCalled = MissingContextUID = NotTracked
