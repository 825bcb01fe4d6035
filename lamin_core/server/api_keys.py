"""API keys: shown once when they are created, stored as SHA-256."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import select

from lamin_core.db.database import Database
from lamin_core.errors import Conflict, InvalidArgument, NotFound
from lamin_core.models import ApiKey, now

FRESH = 0.5
"""Seconds after which the server looks again which keys are in force."""


def create(database: Database, name: str) -> str:
    """Create a key with this name.

    Raises:
        InvalidArgument: the name is blank.
        Conflict: the name is or was in use.
    """
    _require_name(name)
    key = f"lamin_{secrets.token_urlsafe(32)}"
    with database.writing() as session:
        if session.scalar(select(ApiKey.id).where(ApiKey.name == name)) is not None:
            raise Conflict(f"there is a key {name!r} already, or was", hint="choose another name")
        session.add(ApiKey(name=name, sha256=_digest(key)))
    return key


def listed(database: Database) -> Sequence[ApiKey]:
    """All keys, those that were revoked too, the oldest first."""
    with database.reading() as session:
        return session.scalars(select(ApiKey).order_by(ApiKey.id)).all()


def revoke(database: Database, name: str) -> None:
    """Refuse this key from now on. Raises `NotFound`, or `InvalidArgument` for a blank name."""
    _require_name(name)
    with database.writing() as session:
        key = session.scalar(select(ApiKey).where(ApiKey.name == name))
        if key is None:
            raise NotFound(f"no key {name!r}", hint="lamin keys list")
        key.revoked_at = key.revoked_at or now()


def _password(credentials: str) -> str:
    """The password in the credentials of HTTP Basic (RFC 7617); empty where they are none."""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except ValueError:
        return ""
    return text.partition(":")[2]


def _require_name(name: str) -> None:
    if not name.strip():
        raise InvalidArgument(
            f"the name of a key is blank: {name!r}", hint="lamin keys create airflow"
        )


def usable(key: str | None) -> str | None:
    """Return the key without blanks around it; None for a blank key.

    >>> usable(" s3cret\\n"), usable(" "), usable(None)
    ('s3cret', None, None)
    """
    return (key or "").strip() or None


class Keyring:
    """The valid keys: those of the registry, read again at intervals, and `fixed`.

    Where no key was ever made, everybody is let in, unless `required`; but nobody who says to have
    a key, and has none. A blank `fixed` is no key: an empty variable gives nobody access.
    """

    def __init__(
        self, database: Database, fixed: str | None = None, required: bool = False
    ) -> None:
        self._database = database
        key = usable(fixed)
        self._fixed = [] if key is None else [_digest(key)]
        self._required = required or key is not None
        self._known: list[str] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def is_required(self) -> bool:
        """Whether every request needs a key, as of the last request."""
        return self._required

    async def admits(self, authorization: str) -> bool:
        """Whether a request with this header may pass. Raises `Unavailable`."""
        await self._refresh()
        scheme, _, key = authorization.strip().partition(" ")
        if (
            scheme.lower() == "basic"
        ):  # of clients that know nothing else, such as Nextflow's weblog
            scheme, key = "bearer", _password(key)
        is_bearer = scheme.lower() == "bearer"
        if is_bearer and not key.strip():
            return False
        if not self._required:
            return True
        if not is_bearer:
            return False
        digest = _digest(key.strip())
        # All of them, whichever fits: how long it takes says nothing.
        return sum(hmac.compare_digest(digest, stored_digest) for stored_digest in self._known) > 0

    async def _refresh(self) -> None:
        if self._is_fresh():
            return
        async with self._reading:
            if not self._is_fresh():
                keys = await asyncio.to_thread(listed, self._database)
                self._required = self._required or bool(keys)
                self._known = [key.sha256 for key in keys if key.revoked_at is None] + self._fixed
                self._read_at = time.monotonic()

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
