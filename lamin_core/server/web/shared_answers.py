"""One answer for all who look at the same live page: made once after a change, however many viewers ask for it then."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import anyio
from starlette.responses import Response

MOST = 64
"""Pages whose last answer stays in memory."""
MAX_BYTES = 1 << 20
"""The largest answer that stays in memory."""
SECONDS = 2.0
"""How long an answer can be shared at most, as what people edit is not among the changes."""


@dataclass(slots=True)
class _Slot:
    """The last answer to one question.

    Args:
        change: the newest change that is certainly in the answer.
        until: when it ends to be shared, by the monotonic clock.
        answer: None while there is none to share.
    """

    change: int = -1
    until: float = 0.0
    answer: Response | None = None
    making: anyio.Lock = field(default_factory=anyio.Lock)


class SharedAnswers:
    """The last answers to those who were told of a change, by what they asked for."""

    def __init__(self) -> None:
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    async def answer(
        self, key: Hashable, change: int, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """What was answered since this change was there, or else what `make` answers, for the others as well.

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
