"""Which attempt a task is: the hash of a retry is computed from the hash of the attempt before it.

Nextflow hashes the bytes of the previous hash and the number of the try (little endian) with
MurmurHash3 x64 128 (`TaskProcessor.checkCachedOrLaunchTask`), so no record has to say it.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable

_MASK = (1 << 64) - 1
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
_MOST_TRIES = 20


def attempts(tasks: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the number of the attempt of each hash, of pairs of a task's name and its whole hash.

    >>> first, second = "252c5509e3c2b89e5eee22f923030d72", "c70e126d950a4f323d21b2c183eb0d1f"
    >>> attempts([("FLAKY", second), ("FLAKY", first)]) == {first: 1, second: 2}
    True
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for name, value in tasks:
        by_name[name].append(value)
    numbers: dict[str, int] = {}
    for values in by_name.values():
        numbers |= _numbered(values)
    return numbers


def _numbered(values: list[str]) -> dict[str, int]:
    if len(values) == 1:
        return {values[0]: 1}
    previous = _previous(values)
    numbers = {}
    for value in values:
        number, earlier = 1, previous.get(value)
        while earlier is not None and number < _MOST_TRIES:
            number, earlier = number + 1, previous.get(earlier)
        numbers[value] = number
    return numbers


def _previous(values: list[str]) -> dict[str, str]:
    """The attempt before each one that has one."""
    present = set(values)
    previous = {}
    for value in values:
        if len(value) != 32:
            continue
        for number in range(2, _MOST_TRIES):
            following = next_hash(value, number)
            if following in present:
                previous[following] = value
    return previous


def next_hash(task_hash: str, number: int) -> str:
    """Return the hash of try `number` after the task with this hash.

    >>> next_hash("252c5509e3c2b89e5eee22f923030d72", 2)
    'c70e126d950a4f323d21b2c183eb0d1f'
    """
    return _murmur3(bytes.fromhex(task_hash) + struct.pack("<i", number)).hex()


def _murmur3(data: bytes) -> bytes:
    """MurmurHash3 x64 128 of 20 bytes, seed 0 (Austin Appleby, public domain)."""
    first, second = struct.unpack_from("<QQ", data)
    tail = int.from_bytes(data[16:], "little")
    h1 = _rotate(first * _C1 & _MASK, 31) * _C2 & _MASK
    h1 = (_rotate(h1, 27) * 5 + 0x52DCE729) & _MASK
    h2 = _rotate(second * _C2 & _MASK, 33) * _C1 & _MASK
    h2 = ((_rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    h1 ^= _rotate(tail * _C1 & _MASK, 31) * _C2 & _MASK
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = _mixed(h1), _mixed(h2)
    h1 = (h1 + h2) & _MASK
    return struct.pack("<QQ", h1, (h2 + h1) & _MASK)


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _mixed(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
