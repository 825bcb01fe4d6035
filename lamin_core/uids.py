"""Identifiers: base62 stems with version suffixes, and UUIDs for runs.

Lengths and alphabet are LaminDB's (stem 16 + version 4 for artifacts, 12 + 4 for transforms, 16 for
runs), so that people can keep the habits they have. Where a thing has a natural identity the uid is
derived from it: a registry rebuilt from its events gives the same uids again.
"""

from __future__ import annotations

import secrets
import string
import time
import uuid

from blake3 import blake3

ALPHABET = string.digits + string.ascii_letters.swapcase()
NAMESPACE = uuid.UUID("6f6c2d6c-616d-496e-8000-6c616d696e00")
VERSION_LENGTH = 4


def random_uid(length: int) -> str:
    """A fresh base62 identifier.

    >>> len(random_uid(16))
    16
    """
    return _base62(secrets.randbelow(len(ALPHABET) ** length), length)


def derived_uid(length: int, *parts: str) -> str:
    """The base62 identifier that these parts always give.

    >>> derived_uid(16, "a", "b") == derived_uid(16, "a", "b") != derived_uid(16, "ab", "")
    True
    """
    number = int.from_bytes(
        blake3("\0".join(parts).encode("utf-8", "surrogatepass")).digest(), "big"
    )
    return _base62(number, length)


def version_suffix(number: int) -> str:
    """The four characters for the version with this number, counted from 0.

    >>> version_suffix(0), version_suffix(61), version_suffix(62)
    ('0000', '000z', '0010')
    """
    if not 0 <= number < len(ALPHABET) ** VERSION_LENGTH:
        raise ValueError(f"version {number} does not fit {VERSION_LENGTH} base62 characters")
    return _base62(number, VERSION_LENGTH)


def version_number(suffix: str) -> int:
    """The number in a version suffix.

    >>> version_number("0010")
    62
    """
    number = 0
    for character in suffix:
        number = number * len(ALPHABET) + ALPHABET.index(character)
    return number


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def new_run_id() -> str:
    """A fresh UUIDv7, as OpenLineage recommends for run ids (RFC 9562, 5.7).

    >>> uuid.UUID(new_run_id()).version
    7
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def derived_run_id(*parts: str) -> str:
    """A UUIDv5 derived from the ids of an engine, for engines whose ids are not UUIDs.

    >>> derived_run_id("session", "task", "1") == derived_run_id("session", "task", "1")
    True
    """
    return str(uuid.uuid5(NAMESPACE, "\0".join(parts)))


def attempt_id(run_id: str, attempt: int) -> str:
    """The run id of an attempt, where an engine has one UUID for all: that UUID itself for the first.

    >>> first = "0194e0a0-0000-7000-8000-000000000000"
    >>> attempt_id(first, 1) == first, attempt_id(first, 2) == attempt_id(first, 3)
    (True, False)
    """
    return run_id if attempt <= 1 else derived_run_id(run_id, f"attempt-{attempt}")


def run_uid(run_id: str) -> str:
    """The registry's uid of the run with this OpenLineage run id.

    >>> len(run_uid("0194e0a0-0000-7000-8000-000000000000"))
    16
    """
    return derived_uid(16, "run", run_id)
