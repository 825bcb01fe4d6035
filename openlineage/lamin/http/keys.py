"""API keys: made once, shown once, and known by their SHA-256 from then on."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import select

from lamin_core.db import Database
from lamin_core.errors import Conflict, NotFound
from lamin_core.models import ApiKey, now

FRESH = 0.5
"""Seconds after which the server looks again which keys are in force."""


def create(database: Database, name: str) -> str:
    """A new key for whoever goes by this name. Raises `Conflict` where the name is or was in use."""
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
    """Refuse this key from now on. Raises `NotFound`."""
    with database.writing() as session:
        key = session.scalar(select(ApiKey).where(ApiKey.name == name))
        if key is None:
            raise NotFound(f"no key {name!r}", hint="lamin keys list")
        key.revoked_at = key.revoked_at or now()


class Keyring:
    """The keys in force: those of the registry, looked up anew as time passes, and `fixed`.

    Where no key was ever made, everybody is let in, unless `required`.
    """

    def __init__(self, database: Database, fixed: str | None = None, required: bool = False) -> None:
        self._database = database
        self._fixed = [] if fixed is None else [_digest(fixed)]
        self._required = required or fixed is not None
        self._known: list[str] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def admits(self, authorization: str) -> bool:
        """Whether a request with this header may pass. Raises `Unavailable`."""
        await self._refresh()
        if not self._required:
            return True
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        given = _digest(key)
        # All of them, whichever fits: how long it takes says nothing.
        return sum(hmac.compare_digest(given, known) for known in self._known) > 0

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
