"""The lineage view as one HTML file that fetches nothing, and as the output of a notebook."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from pathlib import Path

from lamin_core.render.view_data import ViewData
from lamin_core.runtime.printable import printable

VIEW_FOLDER = Path(__file__).parent / "static"
"""The folder of the script and the style of the view (`.ci/frontend` builds the script)."""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
body{{background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif}}
body{{margin:1rem auto;max-width:76rem;padding:0 1rem}}
h1{{font-size:1.3rem;overflow-wrap:anywhere}}
table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0}}
th,td{{border-bottom:1px solid var(--line);overflow-wrap:anywhere}}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<div class="lineage-view">
<div class="graph" tabindex="0" role="group" aria-label="Drawing of the lineage">{svg}</div>
</div>
{tables}
</main>
<script type="application/json" id="lineage-data">{data}</script>
<script>{script}</script>
</body>
</html>"""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
)
_FRAME = """<style>.lamin-lineage-frame + img {{ display: none }}</style>\
<iframe class="lamin-lineage-frame" title="{title}" sandbox="allow-scripts allow-downloads" \
style="width: 100%; height: {height}px; border: 0; resize: vertical" srcdoc="{page}"></iframe>\
<img alt="{title}" src="data:image/svg+xml;base64,{image}">"""
_CONTROLS = 280
"""Height of what is around the drawing, in pixels."""


def view_page(title: str, svg: str, data: ViewData, tables: str = "") -> str:
    """One self-contained page. Without scripts, as in a mail, it shows the picture.

    Args:
        title: Its heading.
        svg: The picture.
        data: What the script draws from.
        tables: HTML below the drawing.
    """
    script, digest = _script()
    # In a script, only `<` can end it or begin another.
    content = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    style = (VIEW_FOLDER / "lineage.css").read_text(encoding="utf-8")
    return _PAGE.format(
        policy=_POLICY.format(digest=digest),
        title=_text(title),
        style=style,
        svg=svg,
        tables=tables,
        data=content,
        script=script,
    )


def view_frame(title: str, svg: str, page: str) -> str:
    """The page in a frame that can reach neither the notebook nor the network.

    Where a notebook is not trusted, JupyterLab removes the style and the frame, and the picture remains.
    """
    height = int(svg.split('height="', 1)[1].split('"', 1)[0])
    return _FRAME.format(
        title=_text(title),
        height=min(620, height) + _CONTROLS,
        page=escape(page),
        image=base64.b64encode(svg.encode("utf-8", "replace")).decode(),
    )


def _text(value: str) -> str:
    return escape(printable(value)).encode("utf-8", "replace").decode()


@cache
def _script() -> tuple[str, str]:
    """The script of the view, and its digest for the policy of the page."""
    script = (VIEW_FOLDER / "lineage.js").read_text(encoding="utf-8")
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
