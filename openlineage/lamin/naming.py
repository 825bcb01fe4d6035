"""Dataset names: where a file or table lives, as OpenLineage writes it, and back.

Source: the OpenLineage naming conventions. A local file is namespace `file` with its absolute path as name, an
object is namespace `s3://bucket` with its key as name.
"""

from __future__ import annotations

import os
import posixpath
from urllib.parse import quote, urlsplit

_BUCKET_SCHEMES = {"s3", "gs", "gcs", "s3a", "s3n", "hf"}
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


def dataset_name(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Namespace and name of the file, folder or object at this path or URL.

    A relative path is taken from the working directory; links are kept, not followed; no file is opened.

    >>> dataset_name("/data/./a.csv")
    ('file', '/data/a.csv')
    >>> dataset_name("s3://bucket/raw/a.csv")
    ('s3://bucket', 'raw/a.csv')
    """
    text = os.fspath(path)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return "file", os.path.abspath(text)
    if scheme == "file":
        return "file", posixpath.normpath(urlsplit(text).path)
    parts = urlsplit(text)
    name = parts.path.lstrip("/") if scheme in _BUCKET_SCHEMES else parts.path
    return f"{_ALIASES.get(scheme, scheme)}://{parts.netloc}", name


def dataset_path(namespace: str, name: str) -> str:
    """The path or URL of the dataset with this namespace and name.

    >>> dataset_path("file", "/data/a.csv"), dataset_path("s3://bucket", "raw/a.csv")
    ('/data/a.csv', 's3://bucket/raw/a.csv')
    >>> dataset_path("warehouse", "orders")
    'dataset://warehouse/orders'
    """
    if is_local(namespace):
        return name if name.startswith("/") else f"/{name}"
    root = namespace.rstrip("/") if "://" in namespace else f"dataset://{quote(namespace, safe='')}"
    return f"{root}/{name.lstrip('/')}"


def is_local(namespace: str) -> bool:
    """Whether the namespace means files of a machine.

    >>> is_local("file"), is_local("file://host"), is_local("s3://b")
    (True, True, False)
    """
    return namespace == "file" or namespace.startswith("file:")
