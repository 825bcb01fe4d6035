"""Paths in the database that go along when the folder of the project is moved.

A database that lies in the `.lamin` folder of a project belongs to that project: what lies in the project
is stored relative to it (`./data`), and read as an absolute path. So a project that was renamed,
copied, or is mounted elsewhere finds its files. A database that several folders share stores
absolute paths.
"""

from __future__ import annotations

import os
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

_PROJECTS: WeakKeyDictionary[Dialect, str] = WeakKeyDictionary()
_HERE = "./"


def set_project(dialect: Dialect, project: str) -> None:
    """Say in which folder the project is whose database an engine with this dialect has opened."""
    _PROJECTS[dialect] = project


def relative_to(project: str, path: str) -> str:
    """The path as it is stored: relative if it is the project folder or in it.

    >>> relative_to("/lab", "/lab/data"), relative_to("/lab", "/lab"), relative_to("/lab", "/laboratory")
    ('./data', './', '/laboratory')
    """
    if path == project:
        return _HERE
    prefix = f"{project.rstrip('/')}/"
    return f"{_HERE}{path[len(prefix) :]}" if path.startswith(prefix) else path


def absolute_in(project: str, stored: str) -> str:
    """The path that was stored by a project which is in this folder now.

    >>> absolute_in("/lab", "./data"), absolute_in("/lab", "./"), absolute_in("/lab", "s3://bucket")
    ('/lab/data', '/lab', 's3://bucket')
    """
    if not stored.startswith(_HERE):
        return stored
    return os.path.join(project, stored[len(_HERE) :]) if stored != _HERE else project


class RootPath(TypeDecorator[str]):
    """A path, or a URL, that is relative in a database that belongs to a project."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The path as the database stores it."""
        project = _PROJECTS.get(dialect)
        return value if value is None or project is None else relative_to(project, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The path on this machine."""
        project = _PROJECTS.get(dialect)
        return value if value is None or project is None else absolute_in(project, value)


Root = RootPath().with_variant(Text(collation="C"), "postgresql")
"""On PostgreSQL, which several folders share, the text as it is, in byte order as keys."""
