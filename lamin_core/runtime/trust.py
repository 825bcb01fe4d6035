"""Decide whether an instance found by walking up may be used, as git's `safe.directory` does for a repository.

A `.lamin` folder that the user did not name is used when it, its settings and its database belong
to this user or to root, when nobody else may write to them, when it did not arrive with a git
repository, and when its database is a SQLite file in that folder. Everything else (a server, a file
elsewhere, a colleague's instance) is used once the user has allowed it, and only for as long as it
names the same database. Decision 10 gives the reasons.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import shlex
import stat
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from lamin_core.errors import Conflict, Unavailable, UntrustedInstance

SETTINGS = "instance.toml"
CONNECTED = "connected"
_RECORDED_SINCE = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
"""Versions before this check kept no record of what `lamin init --db` made: settings that are older than this, and
readable by their owner alone as `lamin` writes them, count as recorded. The inode's change time
cannot be forged by
an archive."""
_CONNECTABLE = ("sqlite", "postgresql", "postgres")
_MAX_BYTES = 1 << 16
_ELSEWHERE = "it names a database outside of its folder, and was not made by you with `lamin init` or `lamin connect`"


@dataclass(frozen=True, slots=True)
class Marker:
    """The file that makes a folder an instance (`instance.toml`) or connects it to one (`connected`).

    `text` was read from the descriptor whose owner and mode are in `status`, so what is judged is
    what is used.
    """

    folder: Path
    name: str
    text: str
    status: os.stat_result

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.folder / self.name

    @property
    def named(self) -> str:
        """The target: the URL of a database, or the folder of another instance."""
        if self.name == CONNECTED:
            return self.text.rstrip("\n")
        try:
            url = tomllib.loads(self.text).get("db", "")
        except tomllib.TOMLDecodeError as error:
            raise Conflict(
                f"{str(self.path)!r} cannot be read: {error}",
                hint="restore it, or `lamin init` again",
            ) from error
        return url if isinstance(url, str) else ""


def read_marker(folder: Path) -> Marker:
    """Read what makes this folder an instance. Raises `Unavailable` where this user may not."""
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        raise permission_denied(folder) from error
    try:
        for name in (CONNECTED, SETTINGS):
            marker = _read(folder, name, directory)
            if marker is not None:
                return marker
    finally:
        os.close(directory)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder / SETTINGS))


def _read(folder: Path, name: str, directory: int) -> Marker | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise permission_denied(folder / name) from error
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        text = file.read(_MAX_BYTES) if stat.S_ISREG(status.st_mode) else b""
    return Marker(folder, name, text.decode("utf-8", "replace"), status)


def require_readable(path: Path) -> None:
    """Raise `Unavailable` if this user may not read the file; a missing file raises nothing."""
    try:
        os.stat(path)
    except PermissionError as error:
        raise permission_denied(path) from error
    except OSError:
        return


def permission_denied(path: Path) -> Unavailable:
    """The error for a file or folder of an instance that this user may not read."""
    blocking = _unreadable(path)
    owner = owner_name(os.lstat(blocking).st_uid)
    return Unavailable(
        f"{str(path)!r} cannot be read: permission denied, {str(blocking)!r} belongs to {owner}",
        hint=f"ask {owner} to share it with your group: lamin init --shared",
    )


def _unreadable(path: Path) -> Path:
    """The topmost of these that this user may not look into."""
    for candidate in (*reversed(path.parents), path):
        if not os.access(candidate, os.X_OK if candidate != path else os.R_OK):
            return candidate
    return path


def owner_name(uid: int) -> str:
    """The login name for a uid; containers often have none.

    >>> owner_name(0), owner_name(4_000_000_001)
    ('root', 'uid 4000000001')
    """
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def require_trust(marker: Marker, is_own: bool = False) -> None:
    """Raise `UntrustedInstance` unless this instance may be used without being named.

    With `is_own` it lies where `lamin connect` itself keeps what it knows about a database, so that
    it may name one.
    """
    reason = objection(marker, is_own)
    if reason is None or (reason == _ELSEWHERE and _predates_records(marker.status)):
        return
    raise UntrustedInstance(
        f"the instance {str(marker.folder)!r} is not used: {reason}",
        hint=f"if you trust it: lamin connect {shlex.quote(str(marker.folder.parent))}",
        folder=Path(marker.named) if marker.name == CONNECTED else marker.folder,
    )


def is_own(marker: Marker) -> bool:
    """Whether it is this user's, or root's, and did not come with a repository."""
    return _objection_to_origin(marker) is None


def require_own_folder(folder: Path) -> None:
    """Raise `UntrustedInstance` if another user owns, or may write to, the folder for a new instance."""
    reason = _foreign(folder, os.lstat(folder)) or _foreign(folder, os.stat(folder))
    if reason is not None:
        raise UntrustedInstance(
            f"no instance is made in {str(folder)!r}: {reason}",
            hint=f"remove {folder}, or choose another folder",
        )


def objection(marker: Marker, is_own: bool = False) -> str | None:
    """Why this instance may not be used without having been named or allowed; None where it may."""
    reason = _objection_to_origin(marker)
    if reason is not None or marker.name == CONNECTED or is_own:
        return reason
    return _objection_to_database(marker)


def _objection_to_origin(marker: Marker) -> str | None:
    reason = _objection_to_owners(marker)
    if reason is not None:
        return reason
    repository = _repository_with(marker.folder, marker.name)
    return None if repository is None else f"it came with the git repository {str(repository)!r}"


def _objection_to_owners(marker: Marker) -> str | None:
    folder, path = marker.folder, marker.path
    statuses = [
        (folder, os.lstat(folder)),
        (folder, os.stat(folder)),
        (path, os.lstat(path)),
        (path, marker.status),
    ]
    for owned, status in statuses:
        reason = _foreign(owned, status)
        if reason is not None:
            return reason.replace(repr(str(folder)), "it")
    return None


def _foreign(path: Path, status: os.stat_result) -> str | None:
    if status.st_uid not in _trusted_owners():
        return f"{str(path)!r} belongs to {owner_name(status.st_uid)}, not to you"
    if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
        return f"everybody may write to {str(path)!r}"
    return None


def _trusted_owners() -> set[int]:
    """This user and root; under sudo also who typed it, as for git."""
    owners = {0, os.geteuid()}
    sudo = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and sudo.isdecimal():
        owners.add(int(sudo))
    return owners


def _objection_to_database(marker: Marker) -> str | None:
    if marker.named.partition("://")[0].partition("+")[0] not in _CONNECTABLE:
        return None  # for whoever opens it to say so
    file = _sqlite_file(marker.named)
    if file is not None:
        database = Path(os.path.realpath(marker.folder / file))
        if database.is_relative_to(os.path.realpath(marker.folder)):
            return _foreign(database, os.stat(database)) if database.exists() else None
    return _ELSEWHERE


def _sqlite_file(url: str) -> str | None:
    """The path in the URL of a SQLite database; None for any other database.

    >>> _sqlite_file("sqlite:///lamin.db?timeout=1"), _sqlite_file("sqlite:////srv/a.db"), _sqlite_file("postgresql://h/x")
    ('lamin.db', '/srv/a.db', None)
    """
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] != "sqlite":
        return None
    return rest.partition("?")[0].removeprefix("/")


def _predates_records(status: os.stat_result) -> bool:
    return status.st_ctime < _RECORDED_SINCE and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _repository_with(folder: Path, name: str) -> Path | None:
    """The git repository that this instance came with: its index lists the folder, or the file in it."""
    for above in folder.parents:
        git = above / ".git"
        if git.exists():
            listed = _index(git)
            below = os.fsencode(folder.relative_to(above).as_posix())
            is_listed = below + b"\0" in listed or below + b"/" + name.encode() + b"\0" in listed
            return above if is_listed else None
    return None


def _index(git: Path) -> bytes:
    """The index, in which a zero byte follows each path; git itself is not asked, as its settings may be foreign."""
    try:
        if git.is_file():  # a worktree or a submodule
            git = git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        return (git / "index").read_bytes()
    except (OSError, UnicodeDecodeError):
        return b""


# -- what the user has allowed


def fingerprint(marker: Marker) -> str:
    """Stands for what an instance names, in a list that holds no password."""
    return hashlib.blake2b(marker.named.encode(), digest_size=16).hexdigest()


def is_allowed(marker: Marker, allowed: Path) -> bool:
    """Whether the user's list has this folder, naming this database."""
    return _allowed(allowed).get(os.path.realpath(marker.folder)) == fingerprint(marker)


def allow(marker: Marker, allowed: Path) -> None:
    """Add the instance to the user's list. Raises `OSError`."""
    allowed.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(allowed, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(
            f"{fingerprint(marker)} ".encode()
            + os.fsencode(os.path.realpath(marker.folder))
            + b"\n"
        )


def forget(folder: Path, allowed: Path) -> bool:
    """Take the folder off the user's list; whether it was on it."""
    real = os.path.realpath(folder)
    entries = dict(_allowed(allowed))
    if entries.pop(real, None) is None:
        return False
    lines = [f"{digest} ".encode() + os.fsencode(path) + b"\n" for path, digest in entries.items()]
    part = allowed.with_name(f".{allowed.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.writelines(lines)
    os.replace(part, allowed)
    return True


def _allowed(file: Path) -> dict[str, str]:
    """Real paths of folders, each with the fingerprint of what it named; none where another user may write the list."""
    try:
        status = os.stat(file)
    except OSError:
        return {}
    if _foreign(file, status) is not None:
        return {}
    return _parsed(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _parsed(file: Path, _changed: int, _size: int) -> dict[str, str]:
    entries = {}
    for line in file.read_bytes().splitlines():
        digest, _, path = line.partition(b" ")
        entries[os.fsdecode(path)] = digest.decode("ascii", "replace")
    return entries
