"""Dataset names: where a file or table lives, as OpenLineage writes it, and back.

Source: the OpenLineage naming conventions. A local file is namespace `file` with its absolute path
as name, an object is namespace `s3://bucket` with its key as name.
"""

from __future__ import annotations

import os
import posixpath
from urllib.parse import quote, urlsplit

from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.url_credentials import without_credentials

_BUCKET_SCHEMES = {"s3", "gs", "gcs", "s3a", "s3n", "hf"}
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


def dataset_name(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Namespace and name of the file, folder or object at this path or URL.

    A relative path is taken from the working directory; links are kept, not followed; no file is
    opened.

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
    return without_credentials(f"{_ALIASES.get(scheme, scheme)}://{parts.netloc}"), name


def dataset_path(namespace: str, name: str) -> str:
    """The path or URL of the dataset with this namespace and name.

    >>> dataset_path("file", "/data/a.csv"), dataset_path("s3://bucket", "raw/a.csv")
    ('/data/a.csv', 's3://bucket/raw/a.csv')
    >>> dataset_path("warehouse", "orders")
    'dataset://warehouse/orders'

    Credentials are no part of it:

    >>> dataset_path("postgres://ann:hunter2@db:5432", "shop.t")
    'postgres://db:5432/shop.t'
    """
    if is_local(namespace):
        return name if name.startswith("/") else f"/{name}"
    namespace, name = public_namespace(namespace), without_credentials(name)
    root = namespace.rstrip("/") if "://" in namespace else f"dataset://{quote(namespace, safe='')}"
    return f"{root}/{name.lstrip('/')}"


def public_namespace(namespace: str) -> str:
    """Return the namespace of a job or dataset without credentials.

    >>> public_namespace("mysql://ann:hunter2@db:3306"), public_namespace("host=db user=ann password=x")
    ('mysql://db:3306', 'host=db user=ann password=***')
    """
    return without_credentials(namespace) if "://" in namespace else redact_text(namespace)


def public_name(namespace: str, name: str) -> str:
    """Return the name of a dataset without credentials; a file of a machine is called what it is called.

    >>> public_name("s3://b", "k.csv?X-Amz-Signature=s"), public_name("file", "/k.csv?token=s")
    ('k.csv', '/k.csv?token=s')
    """
    return name if is_local(namespace) else without_credentials(name)


def is_local(namespace: str) -> bool:
    """Whether the namespace means files of a machine.

    >>> is_local("file"), is_local("file://host"), is_local("s3://b")
    (True, True, False)
    """
    return namespace == "file" or namespace.startswith("file:")
