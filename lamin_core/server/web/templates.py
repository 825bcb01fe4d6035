"""The templates: everything is escaped, and what does not print is shown as an escape."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import lamin_core
from lamin_core.render.view_page import VIEW_FOLDER
from lamin_core.runtime.printable import printable_lines
from lamin_core.runtime.text import duration, size
from lamin_core.server.web.markup import highlighted, markdown

FOLDER = Path(__file__).parent


def render(name: str, data: Mapping[str, object]) -> str:
    """The page as text that every encoding of HTML can carry."""
    text = environment().get_template(name).render(data)
    return text.encode("utf-8", "replace").decode()


@cache
def environment() -> Environment:
    """The templates of this package; a name that the data lack is an error."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "size": size,
        "when": when,
        "duration": _duration,
        "number": _number,
        "pretty": pretty,
        "short": short,
        "markdown": markdown,
        "highlighted": highlighted,
        "external": external,
    }
    templates.globals |= {
        "linked": linked,
        "asset": asset,
        "package_version": lamin_core.__version__,
    }
    return templates


def _shown(value: object) -> object:
    """Text with escapes for characters that hide, reverse or move others; empty for None."""
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return value if value.isascii() and value.isprintable() else printable_lines(value)


def when(at: datetime | None) -> str | Markup:
    """A time in UTC, which the page's script shows in the reader's own zone.

    >>> str(when(datetime(2026, 3, 1, 12, 30, tzinfo=UTC)))
    '<time datetime="2026-03-01T12:30:00+00:00">2026-03-01 12:30 UTC</time>'
    """
    if at is None:
        return ""
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M")
    )


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def pretty(value: object) -> str:
    """JSON on several lines; text of JSON as well, and other text as it is.

    >>> pretty({"a": 1}), pretty('{"a":1}') == pretty({"a": 1}), pretty("{")
    ('{\\n  "a": 1\\n}', True, '{')
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def external(url: str | None) -> str | Markup:
    """A link out of these pages where the text is the URL of a web page, else the text.

    It shows all of the URL, so that people see where it leads, and does not tell that page where they come from.

    >>> external("javascript:alert(1)"), external("https://a/b c")
    ('javascript:alert(1)', 'https://a/b c')
    >>> str(external("https://prefect.example/runs/1?x=<b>"))
    '<a href="https://prefect.example/runs/1?x=&lt;b&gt;" rel="noopener noreferrer">https://prefect.example/runs/1?x=&lt;b&gt;</a>'
    """
    text = url or ""
    if not is_web_url(text):
        return text
    return Markup('<a href="{0}" rel="noopener noreferrer">{0}</a>').format(text)


def is_web_url(text: str) -> bool:
    """Whether it is the URL of a web page, without a password, blanks or characters that are not shown."""
    if not _WEB_URL.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.hostname) and parts.username is None


_WEB_URL = re.compile(r"https?://[!-~]{1,2000}")


def short(text: str | None, letters: int = 60) -> str:
    """The end of a long name, by which files are distinguished.

    >>> short("abcdef", 4)
    '…def'
    """
    text = text or ""
    return text if len(text) <= letters else f"…{text[1 - letters :]}"


def linked(path: str, **query: object) -> str:
    """A path of this server and a query, without what is empty.

    >>> linked("/runs", status="failed", after=None)
    '/runs?status=failed'
    """
    pairs = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{quote(path, safe='/:@')}?{urlencode(pairs)}" if pairs else quote(path, safe="/:@")


@cache
def asset(name: str) -> str:
    """The URL of a file of the pages, which changes with what is in it.

    >>> asset("style.css").startswith("/static/style.css?")
    True
    """
    return f"/static/{name}?{hashlib.sha256(asset_content(name)).hexdigest()[:12]}"


def asset_content(name: str) -> bytes:
    """A file of the pages; those of the lineage view are also a part of the files that it is shown in."""
    folder = VIEW_FOLDER if name.startswith("lineage.") else FOLDER / "static"
    return (folder / name).read_bytes()
