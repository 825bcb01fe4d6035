"""Dataset names: where a file or table lives, as OpenLineage writes it, and back.

Source: the OpenLineage naming conventions. A local file is namespace `file` with its absolute path
as name, an object is namespace `s3://bucket` with its key as name. Of several spellings of one name
`lamin_core.storage.canonical_urls` chooses.
"""

from __future__ import annotations

import os
import posixpath
from urllib.parse import quote, urlsplit

from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.url_credentials import without_credentials
from lamin_core.storage.canonical_urls import canonical_url, file_host

_BUCKET_SCHEMES = {"s3", "gs", "hf"}


def dataset_name(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Namespace and name of the file, folder or object at this path or URL.

    A relative path is taken from the working directory; links are kept, not followed; no file is
    opened.

    >>> dataset_name("/data/./a.csv")
    ('file', '/data/a.csv')
    >>> dataset_name("s3a://bucket/raw/a.csv")
    ('s3://bucket', 'raw/a.csv')
    """
    text = os.fspath(path)
    if "://" not in text:
        return "file", os.path.abspath(text)
    parts = urlsplit(canonical_url(text))
    if parts.scheme == "file":
        host = file_host(text)
        return "file" if host is None else f"file://{host}", posixpath.normpath(parts.path)
    name = parts.path.lstrip("/") if parts.scheme in _BUCKET_SCHEMES else parts.path
    return without_credentials(f"{parts.scheme}://{parts.netloc}"), name


def dataset_path(namespace: str, name: str) -> str:
    """The path or URL of the dataset with this namespace and name.

    >>> dataset_path("file", "/data/a.csv"), dataset_path("s3://bucket", "raw/a.csv")
    ('/data/a.csv', 's3://bucket/raw/a.csv')
    >>> dataset_path("warehouse", "orders")
    'dataset://warehouse/orders'

    Credentials are no part of it, and other spellings of a name mean the same:

    >>> dataset_path("postgres://ann:hunter2@db", "shop.t"), dataset_path("s3n://bucket", "raw/")
    ('postgres://db:5432/shop.t', 's3://bucket/raw')

    A file of another host is no path here:

    >>> dataset_path("file://Node1", "/data/a.csv")
    'file://node1/data/a.csv'
    """
    if is_local(namespace):
        return _local_path(name)
    host = file_host(namespace)
    if host is not None:
        return f"file://{host}{_local_path(name)}"
    namespace, name = public_namespace(namespace), without_credentials(name)
    if "://" not in namespace:
        return f"dataset://{quote(namespace, safe='')}/{name.lstrip('/')}"
    root, name = canonical_url(namespace), name.lstrip("/")
    return f"{root}/{name.rstrip('/')}"


def _local_path(name: str) -> str:
    """The path without what means nothing in it; where it climbs only the file system knows what it means."""
    path = f"/{name.lstrip('/')}"
    return path if "/../" in f"{path}/" else posixpath.normpath(path)


def public_namespace(namespace: str) -> str:
    """Return the namespace of a job or dataset without credentials.

    >>> public_namespace("mysql://ann:hunter2@db:3306"), public_namespace("host=db user=ann password=x")
    ('mysql://db:3306', 'host=db user=ann password=***')
    """
    return without_credentials(namespace) if "://" in namespace else redact_text(namespace)


def canonical_namespace(namespace: str) -> str:
    """Return the namespace in the spelling by which the registry knows it.

    >>> canonical_namespace("s3a://bucket"), canonical_namespace("file://"), canonical_namespace("warehouse")
    ('s3://bucket', 'file', 'warehouse')
    """
    return "file" if is_local(namespace) else canonical_url(namespace)


def public_name(namespace: str, name: str) -> str:
    """Return the name of a dataset without credentials; a file of a machine is called what it is called.

    >>> public_name("s3://b", "k.csv?X-Amz-Signature=s"), public_name("file", "/k.csv?token=s")
    ('k.csv', '/k.csv?token=s')
    """
    return name if namespace.partition(":")[0] == "file" else without_credentials(name)


def is_local(namespace: str) -> bool:
    """Whether the namespace means files of the machine where the registry is read.

    >>> is_local("file"), is_local("file://localhost"), is_local("file://node1"), is_local("s3://b")
    (True, True, False, False)
    """
    is_file = namespace == "file" or namespace.startswith("file:")
    return is_file and file_host(namespace) is None
