"""One spelling for each URL, so that a file or table is one dataset under all spellings of its URL.

The rule, also in `docs/openlineage.md`:

- Schemes are written in lower case, and of several names of one store the usual one is taken: `s3`
  for `s3a` and `s3n`, `gs` for `gcs`, `abfss` for `abfs`, `wasbs` for `wasb`, `postgres` for
  `postgresql`.
- Hosts are written in lower case. The names of buckets are not hosts: they stay.
- The server of a database has its port, the usual one where none was written, as OpenLineage's
  naming has it; an address of the web goes without the usual port.
- A slash at the end is left out.
- `file` without a host, and with the host `localhost`, is a path of this machine. With another host it
  is a file there, and no path here.

Source: OpenLineage spec, Naming.md; RFC 3986, 6.2.
"""

from __future__ import annotations

import re

from lamin_core.errors import InvalidArgument

_SCHEMES = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "abfs": "abfss",
    "wasb": "wasbs",
    "postgresql": "postgres",
}
_WEB_PORTS = {"http": "80", "https": "443"}
_DATABASE_PORTS = {
    "postgres": "5432",
    "mysql": "3306",
    "mariadb": "3306",
    "redshift": "5439",
    "sqlserver": "1433",
    "mssql": "1433",
    "oracle": "1521",
    "cassandra": "9042",
    "mongodb": "27017",
}
_HOST_SCHEMES = {
    *(*_WEB_PORTS, *_DATABASE_PORTS, "file", "hdfs", "abfss", "wasbs", "adl"),
    *("kafka", "snowflake", "trino", "clickhouse", "teradata", "ftp", "sftp", "ssh"),
}
"""Schemes whose authority is a host."""
_LOCAL_HOSTS = {"", "localhost"}
_AUTHORITY_END = re.compile(r"[/?#;]")


def canonical_url(url: str) -> str:
    """Return the URL in the spelling that the registry stores; other text is returned unchanged.

    >>> canonical_url("s3a://Bucket/raw/"), canonical_url("HTTPS://Example.org:443/a?B=1")
    ('s3://Bucket/raw', 'https://example.org/a?B=1')
    >>> canonical_url("postgresql://DB/shop.t"), canonical_url("/data/a.csv")
    ('postgres://db:5432/shop.t', '/data/a.csv')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    scheme = _SCHEMES.get(scheme.lower(), scheme.lower())
    end = _AUTHORITY_END.search(rest)
    length = len(rest) if end is None else end.start()
    path = rest[length:]
    if "?" not in path:
        path = path.rstrip("/")
    return f"{scheme}://{_authority(scheme, rest[:length])}{path}"


def _authority(scheme: str, authority: str) -> str:
    if scheme not in _HOST_SCHEMES:
        return authority
    user, at, host = authority.rpartition("@")
    host = host.lower()
    if scheme in _WEB_PORTS:
        host = host.removesuffix(f":{_WEB_PORTS[scheme]}")
    elif scheme in _DATABASE_PORTS and re.fullmatch(r"[^:,\[\]]+|\[[^\]]*\]", host):
        host = f"{host}:{_DATABASE_PORTS[scheme]}"
    return f"{user}{at}{host}"


def file_host(url: str) -> str | None:
    """Return the host of a `file` URL; None for a path of this machine and for every other URL.

    >>> file_host("file://Node1/data/a.csv"), file_host("file:///data/a.csv"), file_host("s3://bucket")
    ('node1', None, None)
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "file":
        return None
    host = rest.partition("/")[0].lower()
    return None if host in _LOCAL_HOSTS else host


def check_host(url: str) -> None:
    """Raise `InvalidArgument` for a file of another machine, which cannot be read here.

    >>> check_host("file:///data/a.csv")
    """
    host = file_host(url)
    if host is not None:
        raise InvalidArgument(
            f"not a file of this machine but of {host!r}: {url!r}",
            hint="copy it here, or give the path at which that folder is mounted here",
        )
