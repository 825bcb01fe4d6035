"""Parameters as they are stored: JSON where JSON has the value, else the nearest to it; secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamin_core.runtime.json_values import json_value
from lamin_core.runtime.redaction import redact


def masked_params(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return these parameters, ready to be stored.

    >>> from datetime import date
    >>> masked_params({"alpha": 0.1, "day": date(2026, 1, 2), "api_key": "k"})
    {'alpha': 0.1, 'day': '2026-01-02', 'api_key': '***'}
    """
    values = {str(name): json_value(value) for name, value in (params or {}).items()}
    masked: dict[str, Any] = redact(values)
    return masked or None
