"""Data types of features: their text form, and checks of values."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
import types
import typing
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lamin_core.errors import InvalidArgument, ValidationError
from lamin_core.models.base import Registry
from lamin_core.models.checks import is_storable
from lamin_core.models.tables import Base
from lamin_core.runtime.registry_modules import load_module, load_module_with

PLAIN: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float,),
    "num": (),
    "str": (str,),
    "bool": (bool,),
    "date": (dt.date,),
    "datetime": (dt.datetime,),
    "dict": (dict,),
    "object": (object,),
    "path": (PurePath,),
}
"""The plain types, and the Python types that mean them."""

_OPTION = re.compile(
    r"(?P<registry>(?:[a-z_]\w*\.)?[A-Z]\w*)(?:\[(?P<type>[^\[\]|]+)\])?(?:\.(?P<field>[a-z_]\w*))?"
)


@dataclass(frozen=True)
class Option:
    """A registry that the values of a categorical feature come from."""

    registry: str
    type: str | None = None
    """The label that groups the allowed ones."""
    field: str | None = None
    """The field that values name a record by, where it is not the registry's own."""

    def __str__(self) -> str:
        return (
            self.registry
            + (f"[{self.type}]" if self.type else "")
            + (f".{self.field}" if self.field else "")
        )


@dataclass(frozen=True)
class Dtype:
    """The type of a feature.

    >>> parse("list[cat[ULabel[Perturbation]|Project]]").options[0]
    Option(registry='ULabel', type='Perturbation', field=None)
    >>> str(parse("cat[ULabel]")), parse("int").is_categorical
    ('cat[ULabel]', False)
    """

    plain: str | None
    """Its name, if it is a plain one."""
    options: tuple[Option, ...] = ()
    is_list: bool = False

    @property
    def is_categorical(self) -> bool:
        """Whether values are records of registries."""
        return bool(self.options)

    def __str__(self) -> str:
        inner = self.plain or f"cat[{'|'.join(map(str, self.options))}]"
        return f"list[{inner}]" if self.is_list else inner


def parse(text: str) -> Dtype:
    """The type that is written so. Raises `InvalidArgument`."""
    inner = text.strip()
    is_list = inner.startswith("list[") and inner.endswith("]")
    if is_list:
        inner = inner.removeprefix("list[").removesuffix("]").strip()
    if inner in PLAIN:
        return Dtype(inner, is_list=is_list)
    if not (inner.startswith("cat[") and inner.endswith("]")):
        raise _unknown(text)
    matches = [
        _OPTION.fullmatch(option.strip())
        for option in inner.removeprefix("cat[").removesuffix("]").split("|")
    ]
    if not all(matches):
        raise _unknown(text)
    options = tuple(
        Option(match["registry"], match["type"], match["field"]) for match in matches if match
    )
    return Dtype(None, options, is_list)


def named(dtype: object) -> Dtype:
    """The type that a Python type, a registry, a field of one, a label that groups others, or a text means.

    >>> str(named(list[str])), str(named("cat[ULabel]"))
    ('list[str]', 'cat[ULabel]')
    """
    if isinstance(dtype, Dtype):
        return dtype
    if isinstance(dtype, str):
        return parse(dtype)
    if typing.get_origin(dtype) is list:
        inner = named(typing.get_args(dtype)[0])
        return Dtype(inner.plain, inner.options, is_list=True)
    if isinstance(dtype, types.UnionType) or typing.get_origin(dtype) is typing.Union:
        return Dtype(
            None,
            tuple(option for argument in typing.get_args(dtype) for option in _options(argument)),
        )
    return _of_class(dtype) or Dtype(None, _options(dtype))


def _of_class(dtype: object) -> Dtype | None:
    names = (
        [name for name, classes in PLAIN.items() if dtype in classes]
        if isinstance(dtype, type)
        else []
    )
    if not names and isinstance(dtype, type) and issubclass(dtype, PurePath):
        names = ["path"]
    return Dtype(names[0]) if names else None


def _options(dtype: object) -> tuple[Option, ...]:
    if isinstance(dtype, type) and issubclass(dtype, Registry):
        return (Option(dtype._registry_name()),)
    if isinstance(dtype, Registry) and getattr(dtype, "is_type", False):
        return (Option(type(dtype)._registry_name(), type=getattr(dtype, dtype._name_field)),)
    owner, field = getattr(dtype, "class_", None), getattr(dtype, "key", None)
    if isinstance(owner, type) and issubclass(owner, Registry) and isinstance(field, str):
        return (Option(owner._registry_name(), field=field),)
    raise _unknown(getattr(dtype, "__name__", None) or repr(dtype))


def _unknown(name: str) -> InvalidArgument:
    hint = f"one of {', '.join(PLAIN)}, a registry such as ULabel, or list[...] of one of these"
    if name == "cat":
        hint = "say which registry the values come from: ln.ULabel, or 'cat[ULabel]'"
    return InvalidArgument(f"not a dtype: {name!r}", hint=hint)


def registries_in(module: str) -> list[str]:
    """The names of the registries of a module, such as `bionty`. Raises `InvalidArgument`."""
    load_module(module)
    names = sorted(name for name in _registries() if name.startswith(f"{module}."))
    if not names:
        raise InvalidArgument(
            f"there is no module {module!r}", hint="core, bionty, or one that is installed"
        )
    return names


def _registries() -> dict[str, type[Any]]:
    return {
        mapper.class_._registry_name(): mapper.class_
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, Registry)
    }


def registry_called(name: str) -> type[Any]:
    """The registry with this name. Raises `InvalidArgument`."""
    registries = _registries()
    if name not in registries:
        module, _, called = name.rpartition(".")
        if not load_module_with(called):
            load_module(module)
        registries = _registries()
    if name not in registries:
        raise InvalidArgument(
            f"there is no registry {name!r}", hint=f"one of {', '.join(sorted(registries))}"
        )
    registry: type[Any] = registries[name]
    return registry


def validated(feature: str, dtype: Dtype, value: object) -> object:
    """The value as it is stored: numbers, text, lists and dicts. Raises `ValidationError` where it is of another type.

    >>> validated("temperature", parse("float"), 21)
    21.0
    """
    checked = _CHECKS[dtype.plain or ""](value)
    if checked is not _WRONG:
        return checked
    expected = f"{'an' if (dtype.plain or '')[:1] in 'aeiou' else 'a'} {dtype.plain}"
    hint = f"pass {expected}, or annotate with another feature"
    if value is None:
        hint = f"leave it out; features.remove_values({feature!r}) removes what is there"
    raise ValidationError(
        f"the value {_shortly(value)} of feature {feature!r} is {_called(dtype, value)}, not {dtype.plain}",
        hint=hint,
    )


def _shortly(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) < 200 else f"{shown[:197]}..."


def _called(dtype: Dtype, value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value!r}"
    if (
        isinstance(value, int)
        and dtype.plain in ("int", "float", "num")
        and not isinstance(value, bool)
    ):
        return "too large"
    if dtype.plain in ("dict", "object") and isinstance(value, dict | list):
        return f"a {type(value).__name__} with parts that JSON has not"
    return type(value).__name__


_WRONG: Any = object()


def _plain(value: Any) -> Any:
    """The Python value of a scalar of numpy or pandas."""
    is_scalar = (
        hasattr(value, "item") and not isinstance(value, type) and getattr(value, "ndim", 0) == 0
    )
    return value.item() if is_scalar else value


def _int(value: Any) -> Any:
    value = _plain(value)
    is_number = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return int(value) if is_number and -(2**63) <= value < 2**63 else _WRONG


def _float(value: Any) -> Any:
    value = _plain(value)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        return float(value) if is_number and math.isfinite(value) else _WRONG
    except OverflowError:
        return _WRONG


def _number(value: object) -> object:
    integer = _int(value)
    return _float(value) if integer is _WRONG else integer


def _bool(value: object) -> object:
    value = _plain(value)
    return value if isinstance(value, bool) else _WRONG


def _text(value: object) -> Any:
    return str(value) if isinstance(value, str) and is_storable(value) else _WRONG


def _path(value: object) -> object:
    return _text(str(value)) if isinstance(value, str | PurePath) else _WRONG


def _date(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value)
        except ValueError:
            return _WRONG
    is_date = isinstance(value, dt.date) and not isinstance(value, dt.datetime) and value == value
    return value.isoformat() if is_date else _WRONG


def _datetime(value: object) -> object:
    value = _plain(value)
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return _WRONG
    if (
        not isinstance(value, dt.datetime) or value != value
    ):  # what pandas has for no time calls itself one
        return _WRONG
    return as_utc(value).isoformat(timespec="microseconds")


def as_utc(value: dt.datetime) -> dt.datetime:
    """The time in UTC; a time without zone is taken as UTC."""
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _dict(value: object) -> object:
    return _json(value) if isinstance(value, dict) else _WRONG


def _json(value: object) -> object:
    value = _plain(value)
    if isinstance(value, dict):
        parts = {key: _json(item) for key, item in value.items()}
        fits = all(
            isinstance(key, str) and is_storable(key) and part is not _WRONG
            for key, part in parts.items()
        )
        return parts if fits else _WRONG
    if isinstance(value, list | tuple):
        items = [_json(item) for item in value]
        return items if all(item is not _WRONG for item in items) else _WRONG
    if value is None or isinstance(value, bool):
        return value
    return _text(value) if isinstance(value, str) else _number(value)


_CHECKS: dict[str, Any] = {
    "int": _int,
    "float": _float,
    "num": _number,
    "str": _text,
    "bool": _bool,
    "date": _date,
    "datetime": _datetime,
    "dict": _dict,
    "object": _json,
    "path": _path,
}


def restored(dtype: Dtype, value: Any) -> Any:
    """The value as people passed it.

    >>> restored(parse("date"), "2026-01-31")
    datetime.date(2026, 1, 31)
    """
    if dtype.plain == "float":
        return float(value)  # SQLite keeps 2.0 as 2
    if dtype.plain == "date":
        return dt.date.fromisoformat(value)
    return dt.datetime.fromisoformat(value) if dtype.plain == "datetime" else value
