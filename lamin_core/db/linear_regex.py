"""Regular expressions whose cost is the length of the text times that of the pattern, whatever both are.

Python's `re` tries one path after the other, and `(a+)+$` has two to the power of 28 of them over 28 letters: nothing
interrupts it, and it holds the interpreter. Here all paths are followed at once, as sets of states (Thompson, 1968),
and which set follows which is remembered (a lazy DFA, as in RE2). The syntax is that of `re`, read by its own parser,
and so is the meaning of each character class; what needs a path of its own is refused: references to groups, and
conditions that look ahead or behind.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from lamin_core.errors import InvalidArgument

MAX_STATES = 1_000
"""States of a pattern; `x{2,40}` has forty."""
_MAX_REMEMBERED = 20_000
"""Steps from one set of states to the next that are remembered; then all are forgotten."""
_CHARACTERS = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_ALPHABETS = re.ASCII | re.UNICODE | re.LOCALE
_LAST_NEWLINE = "\n$"
"""The symbol of a newline that ends the text: `$` holds before it."""
_END = ""

Fits = Callable[[str], object]


class _Before(Enum):
    """What comes before a position, as far as `^` and `\\b` care."""

    START = 0
    NEWLINE = 1
    WORD = 2
    FOREIGN_WORD = 3
    """A letter or digit that is not ASCII: part of a word, unless the pattern is `(?a)`."""
    OTHER = 4


@dataclass(slots=True)
class _State:
    """A state of the automaton: where it leads over a character, without one, and under a condition."""

    over: list[tuple[Fits, int]] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    under: list[tuple[Any, int, int]] = field(default_factory=list)
    """Each condition, the flags that are in force there, and the state behind it."""


@dataclass(slots=True)
class _Set:
    """States that the text may be in, what came before, and the sets that follow; None where it matches."""

    states: frozenset[int]
    before: _Before
    following: dict[str, _Set | None] = field(default_factory=dict)


class LinearRegex:
    """A regular expression; raises `InvalidArgument` for one that is none, is too large, or needs `re`.

    >>> LinearRegex("(a+)+$").search("a" * 1000 + "b")
    False
    >>> LinearRegex("^data/.*[.]csv$").search("data/a.csv")
    True
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        parsed = _parsed(pattern)
        self._states = [_State()]
        try:
            self._accepting = self._sequence(parsed, 0, parsed.state.flags)
        except RecursionError as error:
            raise InvalidArgument(f"{pattern[:60]!a}... is nested too deeply") from error
        self._forget()

    def search(self, text: str) -> bool:
        """Whether it matches somewhere in this text."""
        current = self._first
        last = len(text) - 1
        for position, character in enumerate(text):
            symbol = _LAST_NEWLINE if position == last and character == "\n" else character
            following = current.following
            upcoming = following[symbol] if symbol in following else self._step(current, symbol)
            if upcoming is None:
                return True
            current = upcoming
        if _END not in current.following:
            self._step(current, _END)
        return current.following[_END] is None

    # -- the automaton ------------------------------------------------------------------------------

    def _add(self) -> int:
        if len(self._states) >= MAX_STATES:
            raise InvalidArgument(
                f"the regular expression {self._pattern[:60]!a} is too large",
                hint=f"write shorter repetitions: it has more than {MAX_STATES} states",
            )
        self._states.append(_State())
        return len(self._states) - 1

    def _sequence(self, items: Iterable[tuple[Any, Any]], state: int, flags: int) -> int:
        """Add these items behind this state; return the state behind them."""
        for operation, argument in items:
            state = self._item(operation, argument, state, flags)
        return state

    def _item(self, operation: Any, argument: Any, state: int, flags: int) -> int:
        if operation in _CHARACTERS:
            return self._character(operation, argument, state, flags)
        if operation is _constants.AT:
            end = self._add()
            self._states[state].under.append((argument, flags, end))
            return end
        if operation is _constants.SUBPATTERN:
            _, added, removed, items = argument
            if added & _ALPHABETS:  # of ASCII and Unicode one holds
                flags &= ~_ALPHABETS
            return self._sequence(items, state, (flags | added) & ~removed)
        if operation is _constants.BRANCH:
            return self._branch(argument[1], state, flags)
        if operation in _REPEATS:
            low, high, items = argument
            return self._repeat(low, high, items, state, flags)
        raise InvalidArgument(
            f"the regular expression {self._pattern[:60]!a} uses {str(operation).lower()}, which may take for ever",
            hint="write it without (?=...), (?<=...), (?>...), \\1 and the like",
        )

    def _character(self, operation: Any, argument: Any, state: int, flags: int) -> int:
        settings = _parser.State()
        settings.flags = flags
        single = _compiler.compile(_parser.SubPattern(settings, [(operation, argument)]))
        end = self._add()
        self._states[state].over.append((single.match, end))
        return end

    def _branch(self, branches: Iterable[Any], state: int, flags: int) -> int:
        end = self._add()
        for items in branches:
            self._states[self._sequence(items, state, flags)].empty.append(end)
        return end

    def _repeat(self, low: int, high: Any, items: Any, state: int, flags: int) -> int:
        for _ in range(low):
            state = self._sequence(items, self._after(state), flags)
        if high is _constants.MAXREPEAT:
            loop = self._after(state)
            self._states[self._sequence(items, loop, flags)].empty.append(loop)
            return self._after(loop)
        end = self._add()
        for _ in range(high - low):
            self._states[state].empty.append(end)
            state = self._sequence(items, self._after(state), flags)
        self._states[state].empty.append(end)
        return end

    def _after(self, state: int) -> int:
        """Add a state that follows this one without a character, so that nothing leads back into what was before."""
        end = self._add()
        self._states[state].empty.append(end)
        return end

    # -- sets of states ------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._remembered: dict[tuple[frozenset[int], _Before], _Set] = {}
        self._steps = 0
        self._first = self._set(frozenset([0]), _Before.START)

    def _set(self, states: frozenset[int], before: _Before) -> _Set:
        return self._remembered.setdefault((states, before), _Set(states, before))

    def _step(self, current: _Set, symbol: str) -> _Set | None:
        """Follow all states over this symbol, and remember what comes of it."""
        reached = self._closure(current, symbol)
        result = None
        if self._accepting not in reached:
            states = {0}  # a match may begin anywhere
            for state in reached if symbol else ():
                states.update(end for fits, end in self._states[state].over if fits(symbol[0]))
            if self._steps >= _MAX_REMEMBERED:
                self._forget()
            result = self._set(frozenset(states), _kind(symbol))
        self._steps += 1
        current.following[symbol] = result
        return result

    def _closure(self, current: _Set, symbol: str) -> set[int]:
        """All states that are reached before this symbol without a character."""
        reached = set(current.states)
        waiting = list(reached)
        while waiting:
            state = self._states[waiting.pop()]
            ends = list(state.empty)
            for condition, flags, end in state.under:
                if _holds(condition, flags, current.before, symbol):
                    ends.append(end)
            for end in ends:
                if end not in reached:
                    reached.add(end)
                    waiting.append(end)
        return reached


def _parsed(pattern: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidArgument(f"{pattern!a} is no regular expression: {error}") from error


def _kind(symbol: str) -> _Before:
    character = symbol[:1]
    if character == "\n":
        return _Before.NEWLINE
    if character.isalnum() or character == "_":
        return _Before.WORD if character.isascii() else _Before.FOREIGN_WORD
    return _Before.OTHER


def _holds(condition: Any, flags: int, before: _Before, symbol: str) -> bool:
    """Whether `^`, `$`, `\\b` or the like holds between what came before and this symbol."""
    is_multiline = bool(flags & re.MULTILINE)
    if condition is _constants.AT_BEGINNING:
        return before is _Before.START or (is_multiline and before is _Before.NEWLINE)
    if condition is _constants.AT_BEGINNING_STRING:
        return before is _Before.START
    if condition is _constants.AT_END:
        return symbol in (_END, _LAST_NEWLINE) or (is_multiline and symbol == "\n")
    if condition is _constants.AT_END_STRING:
        return symbol == _END
    words = (_Before.WORD,) if flags & re.ASCII else (_Before.WORD, _Before.FOREIGN_WORD)
    is_boundary = (before in words) != (_kind(symbol) in words)
    return is_boundary is (condition is _constants.AT_BOUNDARY)


@lru_cache(maxsize=64)
def linear_regex(pattern: str) -> LinearRegex:
    """Return the regular expression, which is read once. Raises `InvalidArgument`."""
    return LinearRegex(pattern)


def matches(pattern: Any, text: Any) -> bool | None:
    """What `text REGEXP pattern` is in SQLite.

    >>> matches("^a", "abc"), matches("^a", None)
    (True, None)
    """
    if pattern is None or text is None:
        return None
    return linear_regex(str(pattern)).search(str(text))
