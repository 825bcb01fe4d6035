"""Answers that say what happened and what to do next: every refusal is JSON with `error` and `hint`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response


class JsonResponse(Response):
    """JSON as one line."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The bytes of it."""
        return json.dumps(content, separators=(",", ":")).encode()


def refusal(status: int, message: str, hint: str | None, headers: Mapping[str, str] | None = None) -> Response:
    """An error, told."""
    return JsonResponse({"error": message, "hint": hint}, status_code=status, headers=headers)
