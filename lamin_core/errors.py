"""Every error this project raises on purpose, one tree under `LaminError`.

LaminError
├── InvalidArgument      what was passed cannot be used (exit 2 in the shell)
│   ├── InvalidKey       a key that escapes its storage
│   └── NotHere          a name or an argument of LaminDB that has no meaning here
├── NotFound             nothing answers to that name (exit 3)
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

from pathlib import Path


class Hint(str):
    """What to type next: in Python the text itself, in a shell `command`, over HTTP `http`.

    >>> hint = Hint("ln.Run.df() lists them", command="`lamin runs` lists them")
    >>> hint, hint_for(hint, SHELL)
    ('ln.Run.df() lists them', '`lamin runs` lists them')
    """

    command: str | None
    http: str | None

    def __new__(cls, python: str, command: str | None = None, http: str | None = None) -> Hint:
        """Where nothing is said for the shell or for HTTP, the text for Python is what there is."""
        hint = super().__new__(cls, python)
        hint.command, hint.http = command, http
        return hint


NO_INSTANCE = Hint(
    'ln.setup.init("./data"), or in a shell: lamin init --storage ./data',
    command="lamin init --storage ./data",
)

SHELL, HTTP = "shell", "http"


def hint_for(hint: str | None, door: str) -> str | None:
    """The hint for who came in through this door: `shell` or `http`."""
    if not isinstance(hint, Hint):
        return hint
    return (hint.command if door == SHELL else hint.http) or str(hint)


class LaminError(Exception):
    """What happened, to what, and what to type next.

    >>> str(LaminError("no such key", hint="list them with `lamin artifacts`"))
    'no such key\\n  hint: list them with `lamin artifacts`'
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message if hint is None else f"{message}\n  hint: {hint}")


class InvalidArgument(LaminError, ValueError):
    """What was passed cannot be used."""

    exit_code = 2


class InvalidKey(InvalidArgument):
    """A key that is absolute, climbs out of its storage, or holds characters no storage takes."""


class NotHere(InvalidArgument, AttributeError):
    """A name or an argument of LaminDB that has no meaning here; the hint says what to use instead."""


class NotFound(LaminError, LookupError):
    """Nothing in the registry answers to that name."""

    exit_code = 3


class ValueNotFound(NotFound, KeyError):
    """A record has no value of that feature."""


class InstanceNotFound(NotFound):
    """No `.lamin/` folder here or in any folder above."""


class Conflict(LaminError):
    """It contradicts what is stored."""

    exit_code = 4


class MultipleFound(Conflict, LookupError):
    """One record was asked for and several answer."""


class ValidationError(Conflict, ValueError):
    """Data that do not fit their schema."""


class Unavailable(LaminError):
    """A database, a storage or an endpoint is out of reach."""

    exit_code = 5


class SchemaMismatch(Unavailable):
    """The database was made by another version of this package."""


class ReadOnly(Unavailable):
    """A registry that may only be read was to be written to."""


class UntrustedInstance(Unavailable):
    """An instance was found here or above that is somebody else's, and that this user has not allowed.

    `folder` is its `.lamin` folder.
    """

    def __init__(
        self, message: str, hint: str | None = None, folder: Path = Path(".lamin")
    ) -> None:
        super().__init__(message, hint)
        self.folder = folder


class NotTracked(LaminError):
    """A run was needed and none is current."""


class MalformedEvent(LaminError, ValueError):
    """JSON that is not an OpenLineage event."""


class MissingExtra(LaminError, ImportError):
    """An optional part of this package is not installed."""

    def __init__(self, module: str, extra: str | None) -> None:
        """Without an extra of ours that has it, the module is to be installed itself."""
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
