"""Settings in layers: this process, `LAMIN_*` variables, the instance, the user, the default. They hold no secrets.

Each setting is a line in `SETTINGS`. The instance's are in `.lamin/instance.toml`, the user's in
`config.toml` of the user's own settings folder; both are flat, a name and a value a line.
"""

from __future__ import annotations

import difflib
import fcntl
import logging
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from lamin_core.errors import Conflict, InvalidArgument, NotHere, ReadOnly, Unavailable
from lamin_core.runtime.paths import SETTINGS as INSTANCE_FILE
from lamin_core.runtime.paths import find_trusted_instance, user_config
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.sharing import file_mode
from lamin_core.runtime.trust import permission_denied

Plain = str | float | bool
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its name, its default, how to parse its text, and its purpose."""

    name: str
    default: Plain | None
    parse: Callable[[str], Plain]
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"LAMIN_{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a setting, and its origin: `ln.settings`, a variable, a file, or `default`."""

    name: str
    value: Plain | None
    origin: str


def _yes_or_no(text: str) -> bool:
    """
    >>> _yes_or_no("yes"), _yes_or_no("0")
    (True, False)
    """
    word = text.strip().lower()
    if word not in {"1", "0", "true", "false", "yes", "no", "on", "off"}:
        raise InvalidArgument(f"{text!r} is neither true nor false", hint="true or false")
    return word in {"1", "true", "yes", "on"}


def _level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise InvalidArgument(
            f"not a verbosity level: {text!r}", hint=f"one of {', '.join(LEVELS)}"
        )
    return text.lower()


def _folder(text: str) -> str:
    if not text:
        raise InvalidArgument("a folder has a name", hint="a path such as ~/cache")
    return os.path.abspath(Path(text).expanduser())


def _megabytes(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        raise InvalidArgument(f"not a number: {text!r}", hint="megabytes, such as 512") from None


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise InvalidArgument(f"not a name: {text!r}", hint="letters and digits")
    return text


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "verbosity",
            "warning",
            _level,
            "which messages are shown: debug, info, warning or error",
        ),
        Setting(
            "track_run_inputs",
            True,
            _yes_or_no,
            "whether loading an artifact makes it an input of the run",
        ),
        Setting(
            "watch_files",
            True,
            _yes_or_no,
            "whether files that a run opens are noted as its inputs and outputs by themselves",
        ),
        Setting(
            "cache_dir",
            None,
            _folder,
            "where fetched files are kept; by default in the instance's folder",
        ),
        Setting(
            "storage",
            None,
            _text,
            "root of the storage that copies go into; by default that of the instance",
        ),
        Setting(
            "spool_limit",
            512.0,
            _megabytes,
            "megabytes of events that may wait; what is above is dropped",
        ),
        Setting(
            "redact_events",
            False,
            _yes_or_no,
            "whether secrets in events are masked before the raw log has them",
        ),
        Setting("user", None, _text, "your handle in the registry; by default your login name"),
        Setting("user_name", None, _text, "your name in the registry"),
    )
}


ANSWERS: dict[str, Callable[[], Plain | None]] = {}
"""Attributes of `ln.settings` that are not settings: the instance answers them, for example `storage`."""


VIEWS: dict[str, Callable[[Plain | None], object]] = {}
"""The classes of settings on `ln.settings`: texts with the attributes that they have in LaminDB."""
PARTS: dict[str, Callable[[], object]] = {}
"""Read-only attributes of `ln.settings`: the instance, and the groups of LaminDB."""


class Settings:
    """The settings, `ln.settings`: each setting is an attribute. A value that is set here applies to this process.

    A value comes from the first of these that sets it: this object, the variable `LAMIN_` with the
    name in capitals, the instance, the user, the default. An unknown name raises `NotHere`.

    >>> Settings().verbosity
    'warning'
    """

    def __init__(self) -> None:
        self.__dict__["_here"] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in PARTS:
            return PARTS[name]()
        if name not in SETTINGS:
            raise NotHere(*_unknown(name))
        value = self.look_up(name).value
        if name in VIEWS:
            return VIEWS[name](value)
        return ANSWERS[name]() if value is None and name in ANSWERS else value

    def __setattr__(self, name: str, value: Any) -> None:
        parsed = setting(name).parse(str(value))
        self.__dict__["_here"][name] = parsed
        if name == "verbosity":
            apply_verbosity(str(parsed))

    def __delattr__(self, name: str) -> None:
        self.__dict__["_here"].pop(setting(name).name, None)

    def __dir__(self) -> list[str]:
        return [*SETTINGS, *PARTS, "look_up"]

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={getattr(self, name)!r}' for name in SETTINGS)})"

    def process_value(self, name: str) -> Value | None:
        """The value in this process, from `ln.settings` or a variable; reads no file. Raises like `look_up`."""
        definition = setting(name)
        if name in self.__dict__["_here"]:
            return Value(name, self.__dict__["_here"][name], "ln.settings")
        text = os.environ.get(definition.variable)
        return Value(name, definition.parse(text), definition.variable) if text else None

    def look_up(self, name: str) -> Value:
        """The value and its origin. Raises `InvalidArgument` for an unknown name and for an invalid value."""
        definition = setting(name)
        override = self.process_value(name)
        if override is not None:
            return override
        for file in (instance_file(), user_file()):
            values = {} if file is None else read_toml(file)
            if name in values:
                return Value(name, definition.parse(str(values[name])), str(file))
        return Value(name, definition.default, "default")


settings = Settings()


def setting(name: str) -> Setting:
    """The setting with this name. Raises `InvalidArgument` with the nearest ones."""
    if name in SETTINGS:
        return SETTINGS[name]
    raise InvalidArgument(*_unknown(name))


def _unknown(name: str) -> tuple[str, str]:
    near = difflib.get_close_matches(name, [*SETTINGS, *PARTS], n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(SETTINGS)}"
    return f"no setting is called {name!r}", hint


def store(name: str, text: str | None, file: Path) -> None:
    """Write this setting into a file; None removes it. Raises `InvalidArgument` for an invalid value."""
    definition = setting(name)
    new_value = None if text is None else definition.parse(text)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(file.parent):
            _store(name, new_value, file)
    except PermissionError as error:
        raise ReadOnly(
            f"{str(file)!r} may only be read: {error.strerror}",
            hint="set it for yourself with --user, or ask the owner for the right to write",
        ) from error


def _store(name: str, new_value: Plain | None, file: Path) -> None:
    values = {key: value for key, value in read_toml(file).items() if key != name}
    if new_value is not None:
        values[name] = new_value
    is_instance = file.name == INSTANCE_FILE
    write_toml(
        file,
        values,
        file_mode(file.parent) if is_instance and not _holds_password(values) else 0o600,
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """While this lasts, no other process changes settings in this folder: what each has set stays."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def secret_settings(file: Path) -> Path | None:
    """This file of an instance, if it holds a password; None otherwise."""
    return file if _holds_password(read_toml(file)) else None


def _holds_password(values: Mapping[str, Plain]) -> bool:
    url = str(values.get("db", ""))
    return redact_text(url) != url


def instance_file() -> Path | None:
    """The file with the settings of the instance that is at work here, if there is one that may be used."""
    folder = find_trusted_instance()
    return None if folder is None else folder / INSTANCE_FILE


def user_file() -> Path:
    """The file with this user's settings."""
    return user_config() / "config.toml"


def read_toml(path: Path) -> dict[str, Any]:
    """The content of the file; empty if there is no file. Raises `Conflict` or `Unavailable`."""
    try:
        status = path.stat()
    except OSError:  # also where the home is not this user's, as after `su`
        return {}
    return _read(path, (status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=16)
def _read(path: Path, _state: tuple[int, int]) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Conflict(
            f"{str(path)!r} cannot be read: {error}", hint="restore it, or `lamin init` again"
        ) from error
    except PermissionError as error:
        raise permission_denied(path) from error
    except OSError as error:
        raise Unavailable(f"{str(path)!r} cannot be read: {error.strerror}") from error


def write_toml(path: Path, values: Mapping[str, Plain], mode: int = 0o600) -> None:
    """Write names and values, whole or not at all, by default readable by this user alone; the last writer's stay."""
    text = "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())
    # Each writer has a file of its own, for its user alone: a database URL may hold a password.
    descriptor, temporary = mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _toml(value: Plain) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value)
    escaped = "".join(f"\\u{ord(c):04X}" if c < " " or c in '"\\\x7f' else c for c in value)
    return f'"{escaped}"'


def apply_verbosity(level: str) -> None:
    """Let the logger of this project show messages from this level on."""
    logger = logging.getLogger("lamin")
    logger.setLevel(level.upper())
    if level in ("debug", "info") and not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())  # without one, Python shows warnings alone
