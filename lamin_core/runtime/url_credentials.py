"""URLs and names of datasets without the credentials that they may carry."""

from __future__ import annotations

import re
from functools import lru_cache

from lamin_core.runtime.redacted_text import mask_shapes, redact_text
from lamin_core.runtime.secret_names import is_secret

_USERS = {"user", "username", "uid", "usr", "user id", "userid"}
_CONTAINER_SCHEMES = {"abfs", "abfss", "wasb", "wasbs", "adl"}
"""Schemes whose URLs have the name of a container before the `@`."""
_LOGIN_SCHEMES = {"ssh", "sftp", "scp", "hdfs", "git+ssh"}
"""Where a user alone may decide which files are meant: a path may begin in the user's home."""
_SIGNED = re.compile(r"(?i)[?&](?:[a-z-]{0,20}signature|sig)=")
_OF_SIGNATURE = re.compile(
    r"(?i)x-(?:amz|goog)-[a-z-]+|expires|awsaccesskeyid|googleaccessid|key-pair-id|policy|signature"
    r"|sv|se|st|sp|sr|sig|spr|sip|ss|srt|ske|skoid|sks|skt|sktid|skv"
)


def shows_secret(url: str) -> bool:
    """Whether a URL shows a password, a token or a signature; the names of folders do not count.

    >>> shows_secret("https://h/a.csv?access_token=x"), shows_secret("s3://bucket/token=abc/part.parquet")
    (True, False)
    """
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#;]", rest, maxsplit=1)[0]
    path, separator, query = rest[len(authority) :].partition("?")
    path, semicolon, parameters = path.partition(";")
    server = f"{scheme}://{authority}"
    request = f"{semicolon}{parameters}{separator}{query}"
    in_path = mask_shapes(path, path.lower()) != path
    return in_path or redact_text(server) != server or redact_text(request) != request


@lru_cache(maxsize=10_000)
def without_credentials(name: str) -> str:
    """Return a URL, or the name of a dataset, without user, password, token or signature.

    >>> without_credentials("postgres://ann:hunter2@db:5432"), without_credentials("abfss://raw@lake.net/a")
    ('postgres://db:5432', 'abfss://raw@lake.net/a')
    >>> without_credentials("sqlserver://s:1433;database=x;user=u;password=p;encrypt=true")
    'sqlserver://s:1433;database=x;encrypt=true'
    >>> without_credentials("https://h/k.csv?part=1&X-Amz-Date=d&X-Amz-Signature=s")
    'https://h/k.csv?part=1'
    """
    if "://" in name:
        name = _without_user(name)
    if "?" in name:
        name = _without_parameters(name)
    head, *parameters = name.split(";")
    remaining = [parameter for parameter in parameters if not _is_credential(parameter)]
    return ";".join([head, *remaining])


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#;]", rest, maxsplit=1)[0]
    user, separator, host = authority.rpartition("@")
    if not separator or host.startswith(("sha256:", "sha512:")):  # the digest of an image
        return url
    kind = scheme.rpartition(":")[2].lower()
    login = user.partition(":")[0]
    stays = kind in _CONTAINER_SCHEMES or (kind in _LOGIN_SCHEMES and login == user)
    return f"{scheme}://{login + '@' if stays else ''}{host}{rest[len(authority) :]}"


def _without_parameters(url: str) -> str:
    head, _, query = url.partition("?")
    is_signed = _SIGNED.search(url) is not None
    remaining = []
    for parameter in query.split("&"):
        name = parameter.partition("=")[0]
        of_signature = is_signed and _OF_SIGNATURE.fullmatch(name) is not None
        if not of_signature and not _is_credential(parameter):
            remaining.append(parameter)
    return f"{head}?{'&'.join(remaining)}" if remaining else head


def _is_credential(parameter: str) -> bool:
    name, separator, _ = parameter.partition("=")
    return bool(separator) and (name.strip().lower() in _USERS or is_secret(name))
