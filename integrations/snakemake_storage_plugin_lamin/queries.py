"""What stands in `storage.lamin(...)`: a key, `key@version` or a uid, with wildcards or without."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

SCHEME = "lamin://"
_PINNED = re.compile(r"(?P<key>.+)@(?P<version>[0-9A-Za-z]{4})", re.S)
_UID = re.compile(r"[0-9A-Za-z]{16}(?:[0-9A-Za-z]{4})?")


@dataclass(frozen=True, slots=True)
class Query:
    """One artifact; without a version, the latest at the time."""

    key: str | None
    version: str | None = None
    uid: str | None = None

    @classmethod
    def parse(cls, text: str) -> Query:
        """Read what stands in a Snakefile.

        >>> Query.parse("raw/a.csv@0001")
        Query(key='raw/a.csv', version='0001', uid=None)
        >>> Query.parse("lamin://raw/{sample}.csv").key, Query.parse("aRAmhYEzfVu8JHDx0000").uid
        ('raw/{sample}.csv', 'aRAmhYEzfVu8JHDx0000')
        """
        text = text.removeprefix(SCHEME)
        pinned = _PINNED.fullmatch(text)
        if pinned is not None:
            return cls(pinned["key"], pinned["version"])
        if _UID.fullmatch(text):
            return cls(None, uid=text)
        return cls(text)

    @property
    def name(self) -> str:
        """The query as `lamin_snakemake.records.artifact_named` reads it."""
        if self.key is None:
            return str(self.uid)
        return self.key if self.version is None else f"{self.key}@{self.version}"

    @property
    def local_path(self) -> str:
        """The path of the file below Snakemake's own folder; it has the ending of the key.

        >>> Query("raw/a.csv", "0001").local_path, Query("raw/a.csv").local_path
        ('raw/@0001/a.csv', 'raw/a.csv')
        """
        if self.key is None:
            return f"@{self.uid}"
        path = PurePosixPath(self.key)
        return str(path if self.version is None else path.parent / f"@{self.version}" / path.name)


def problem_of(text: str) -> str | None:
    """Return why this is no query; None for one. URLs belong to other storage plugins.

    >>> problem_of("raw/a.csv") is None, problem_of("s3://bucket/a.csv")
    (True, 'a URL: a query is a key, key@version or a uid')
    """
    if "://" in text.removeprefix(SCHEME):
        return "a URL: a query is a key, key@version or a uid"
    key = Query.parse(text).key
    if key is not None and (key.startswith("/") or ".." in PurePosixPath(key).parts or not key):
        return "not a key: a key is a relative path without '..'"
    return None
