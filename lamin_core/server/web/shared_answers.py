"""Shared responses of live pages: each page is made once after a change, for any number of viewers."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import anyio
from starlette.responses import Response

MOST = 64
"""The number of pages whose last response stays in memory."""
MAX_BYTES = 1 << 20
"""The largest response that stays in memory, in bytes."""
SECONDS = 2.0
"""The longest time that a response is shared, because edits by users are not among the changes."""


@dataclass(slots=True)
class _Slot:
    """The last response to one request.

    Args:
        change: the newest change that is certainly in the answer.
        until: when it ends to be shared, by the monotonic clock.
        answer: None while no answer can be shared.
    """

    change: int = -1
    until: float = 0.0
    answer: Response | None = None
    making: anyio.Lock = field(default_factory=anyio.Lock)


class SharedAnswers:
    """The last responses after a change, by request."""

    def __init__(self) -> None:
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    async def answer(
        self, key: Hashable, change: int, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Return the response that was made since this change, or else a new one, which others then share.

        Args:
            key: what is asked for, and by whom as far as the answer depends on it.
            change: the number of the newest change that the viewer was told of. An answer that was begun after
                somebody else was told of it, or of a later one, has it in it.
            make: answers anew.
        """
        slot = self._slot(key)
        async with slot.making:
            begun = time.monotonic()
            if slot.answer is None or slot.change < change or begun >= slot.until:
                slot.answer = None
                response = await make()
                if len(response.body) > MAX_BYTES:
                    return response
                slot.answer, slot.change, slot.until = response, change, begun + SECONDS
            answer = slot.answer
        return Response(answer.body, answer.status_code, dict(answer.headers))

    def _slot(self, key: Hashable) -> _Slot:
        slot = self._slots.setdefault(key, _Slot())
        self._slots.move_to_end(key)
        while len(self._slots) > MOST:
            self._slots.popitem(last=False)
        return slot
