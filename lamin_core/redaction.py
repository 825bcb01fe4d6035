"""Secrets out, before anything is stored: by the name of a value and by the shape of the value itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i)(password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)"
)
_SECRET_VALUES = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # AWS access key ids
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}\b"),  # GitHub tokens
    re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),  # Google API keys
    re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}"),  # Slack tokens
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # JSON web tokens
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
)
_DSN_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+@")
# In a query: a signed address is open to whoever knows it.
_QUERY = re.compile(
    r"(?i)([?&](?:[\w-]*(?:signature|token|password|passwd|secret|credential|api[_-]?key|access[_-]?key(?:id)?)|sig)=)"
    r"[^&#\s\"']+"
)
_OPTION = re.compile(r"(?i)(--?(?:[\w-]*(?:password|token|secret|api-?key))[= ])\S+")


# In code: password = "hunter2", "api_key": 'k'; not sep_token="<sep>", nor what is computed.
_ASSIGNED = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[A-Za-z0-9_-]*[\"']?"
    r"\s*[:=]\s*)([\"'])[A-Za-z0-9_+/=.~!@#%^&*-]{6,}\2"
)
# In a shell: export AWS_SECRET_ACCESS_KEY=...; not what another variable holds.
_EXPORTED = re.compile(
    r"(\b[A-Z][A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|CREDENTIAL)[A-Z0-9_]*=)(?![\"'$])[^\s\"']+"
)
_BEARER = re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9_.~+/=-]{8,}")


def redact_text(text: str) -> str:
    """The text with every secret it shows masked.

    >>> redact_text("postgresql://me:hunter2@db/x --token=abc")
    'postgresql://me:***@db/x --token=***'
    """
    return _redacted_short(text) if len(text) <= _SHORT else _redacted(text)


def _redacted(text: str) -> str:
    for pattern in _SECRET_VALUES:
        text = pattern.sub(MASK, text)
    text = _DSN_PASSWORD.sub(rf"\1{MASK}@", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _ASSIGNED.sub(rf"\1\2{MASK}\2", text)
    text = _EXPORTED.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _OPTION.sub(rf"\1{MASK}", text)


_SHORT = 200
_redacted_short = lru_cache(maxsize=5_000)(_redacted)
"""Events say the same short things over and over: the URL of a schema, the name of an engine."""


def redact(value: Any, name: str = "") -> Any:
    """The value with every secret in it masked, at any depth.

    >>> redact({"alpha": 1, "db_password": "hunter2", "nested": [{"api_key": "k"}]})
    {'alpha': 1, 'db_password': '***', 'nested': [{'api_key': '***'}]}
    """
    if isinstance(value, Mapping):
        return {str(key): redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, name) for item in value]
    if isinstance(value, str):
        return MASK if value and _SECRET_NAME.search(name) else redact_text(value)
    return value
