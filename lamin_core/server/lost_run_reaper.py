"""At intervals, find runs on the server's machine whose process no longer exists, and mark them as lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio.to_thread

from lamin_core.db.database import Database
from lamin_core.instance.run_service import RunService

logger = logging.getLogger("lamin")
EVERY = 30.0
"""Seconds between two looks; each is one query, and writes only where something is found."""


@asynccontextmanager
async def sweeping(database: Database) -> AsyncIterator[None]:
    """Look for lost runs at intervals, until the block ends."""
    task = asyncio.create_task(_sweep(database))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sweep(database: Database) -> None:
    while True:
        try:
            # Shielded: a shutdown waits for the thread, which would else open a connection after it.
            await anyio.to_thread.run_sync(RunService(database).find_lost)
        except Exception as error:  # the database is away: the next look will tell
            logger.debug("lost runs could not be found: %s", error)
        await asyncio.sleep(EVERY)
