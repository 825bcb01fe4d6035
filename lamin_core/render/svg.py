"""Boxes and curves as SVG, which notebooks and browsers show without another program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from lamin_core.render.layout import HEIGHT, Layout, Link, Point
from lamin_core.render.text_width import pixels
from lamin_core.runtime.printable import printable

_STYLE = """
text{font:12px system-ui,"DejaVu Sans",sans-serif;fill:#1f2328}text.d{font-size:10px;fill:#656d76}
rect{fill:#fff;stroke:#8c959f}.run rect{fill:#eff1f3;stroke:#57606a}
.snakemake rect{fill:#e3f5e6;stroke:#1a7f37}.nextflow rect{fill:#ddf4f4;stroke:#1b7c83}
.prefect rect{fill:#ddebff;stroke:#0550ae}.python rect{fill:#f1ebfa;stroke:#8250df}
.shell rect{fill:#fff3d6;stroke:#9a6700}.failed rect{fill:#ffebe9;stroke:#cf222e}
.outdated rect{fill:#fff8f0;stroke:#bc4c00;stroke-dasharray:6 3}
.open rect{stroke-dasharray:4 3}.start rect{stroke-width:2.5}
rect.bar{stroke:none;fill:#8c959f}rect.bar.completed{fill:#1a7f37}rect.bar.running,rect.bar.scheduled{fill:#9a6700}
rect.bar.failed,rect.bar.aborted,rect.bar.lost{fill:#cf222e}
path{fill:none;stroke:#8c959f;stroke-width:1.2}path.w{stroke-dasharray:5 4}path.c{stroke-dasharray:1 4}
"""


NAME_SIZE, DETAIL_SIZE = 12, 10
"""Sizes of the fonts of the two lines, in pixels."""
_PADDING = 9.0
ENGINES = ("snakemake", "nextflow", "prefect", "python", "shell")
"""Engines with a colour of their own."""


def engine_class(engine: str) -> str:
    """The class of the boxes of an engine's runs; the others share one.

    >>> engine_class("snakemake"), engine_class("airflow")
    ('snakemake', 'other')
    """
    return engine if engine in ENGINES else "other"


@dataclass(frozen=True, slots=True)
class Box:
    """Two lines of text, a title that the pointer shows, and classes.

    Classes: `artifact`, `outdated`, `run`, the engine, `failed`, `open`, `start`.
    """

    name: str
    detail: str
    title: str
    classes: str
    href: str = ""
    """The target of the link, on a page."""
    token: str = ""
    """The id of the box for the script of a page."""
    bar: tuple[tuple[str, float], ...] = ()
    """States and their shares, which add up to 1, drawn along its lower edge."""

    @property
    def width(self) -> float:
        """Wide enough for both lines in any of the usual fonts."""
        widest = max(pixels(self.name, NAME_SIZE), pixels(self.detail, DETAIL_SIZE), 60.0)
        return widest + 2 * _PADDING


def written(
    boxes: Mapping[int, Box],
    links: Sequence[Link],
    places: Layout,
    note: str,
    kind: Callable[[Link], str] | None = None,
    *,
    is_styled: bool = True,
) -> str:
    """The picture: boxes at their places, links as curves with tips, and a note below.

    `kind` says how a link looks. A page that has rules of its own for the classes takes it not styled.
    """
    kind = kind or _kind
    legend = _legend(boxes.values(), places.height)
    lines = [line for line in (legend, _note(note, places.height + 20 * bool(legend))) if line]
    width = max(places.width, _legend_width(boxes.values()), pixels(note, DETAIL_SIZE) + 24)
    height = places.height + 20 * len(lines)
    # A picture has no links in it for a screen reader.
    role = "group" if any(box.href for box in boxes.values()) else "img"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="{role}" class="lamin-lineage">',
        f"<style>{_scoped(_STYLE)}</style>" if is_styled else "",
        '<defs><marker id="lamin-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><polygon points="0 0 8 4 0 8" fill="#8c959f"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" style="fill:#fff;stroke:none"/>'
        if is_styled
        else "",
    ]
    parts += [_path(places.ways[link], kind(link), _ends(boxes, link)) for link in links]
    parts += [_drawn(box, places.corners[node]) for node, box in boxes.items()]
    return "\n".join([*parts, *lines, "</svg>"])


def _note(note: str, top: float) -> str:
    return f'<text class="d" x="12" y="{top + 10:.0f}">{escape(note)}</text>' if note else ""


_ENTRY = 90.0
"""The width of one entry of the legend."""
_LEGEND = {**{engine: f"run {engine}" for engine in ENGINES}, "failed": "run failed"}
_LEGEND |= {"outdated": "artifact outdated"}


def _legend_entries(boxes: Collection[Box]) -> list[str]:
    """The legend of the colours in the drawing."""
    classes = {name for box in boxes for name in box.classes.split()}
    return [name for name in _LEGEND if name in classes]


def _legend_width(boxes: Collection[Box]) -> float:
    return _ENTRY * len(_legend_entries(boxes)) + 12


def _legend(boxes: Collection[Box], top: float) -> str:
    parts = []
    for number, name in enumerate(_legend_entries(boxes)):
        x = 12 + number * _ENTRY
        parts.append(
            f'<g class="{_LEGEND[name]}"><rect x="{x:.0f}" y="{top + 2:.0f}" width="12" height="9" rx="2"/>'
            f'<text class="d" x="{x + 17:.0f}" y="{top + 10:.0f}">{name}</text></g>'
        )
    return "".join(parts)


def standalone_style() -> str:
    """The rules of a picture that stands alone, for scripts that save one."""
    return _scoped(_STYLE)


def _scoped(style: str) -> str:
    """The rules, for this picture alone: a page with several pictures, or a dark theme, has rules of its own."""
    rules = [rule for rule in style.replace("\n", "").split("}") if rule]
    return "".join(f".lamin-lineage {rule}}}" for rule in rules)


def _kind(link: Link) -> str:
    """Solid lines for reading and writing, dashed if a run waited for a run, dotted for files in a folder."""
    return "w" if max(link) < 0 else "c" if min(link) > 0 else "e"


def _ends(boxes: Mapping[int, Box], link: Link) -> str:
    """The boxes at both ends, for the script of a page."""
    above, below = (escape(boxes[node].token) for node in link)
    return f' data-above="{above}" data-below="{below}"' if above and below else ""


def _path(points: Sequence[Point], kind: str, ends: str = "") -> str:
    (x, y), steps = points[0], []
    for start, right in pairwise(points):
        middle = (start[0] + right[0]) / 2
        steps.append(
            f"C{middle:.1f} {start[1]:.1f} {middle:.1f} {right[1]:.1f} {right[0]:.1f} {right[1]:.1f}"
        )
    return f'<path class="{kind}"{ends} marker-end="url(#lamin-tip)" d="M{x:.1f} {y:.1f}{"".join(steps)}"/>'


def _drawn(box: Box, corner: Point) -> str:
    x, y = corner
    radius = 3 if box.classes.startswith("run") else 12
    token = f' data-box="{escape(box.token)}"' if box.token else ""
    drawn = (
        f'<g class="{box.classes}"{token}><title>{escape(_lines(box.title))}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{HEIGHT:.0f}" rx="{radius}"/>'
        f'<text x="{x + _PADDING:.1f}" y="{y + 17:.1f}">{escape(box.name)}</text>'
        f'<text class="d" x="{x + _PADDING:.1f}" y="{y + 31:.1f}">{escape(box.detail)}</text>'
        f"{_bar(box, x, y)}</g>"
    )
    return f'<a href="{escape(box.href)}">{drawn}</a>' if box.href else drawn


def _bar(box: Box, x: float, y: float) -> str:
    parts, start, width = [], x + _PADDING, box.width - 2 * _PADDING
    for state, share in box.bar:
        parts.append(
            f'<rect class="bar {escape(state)}" x="{start:.1f}" y="{y + HEIGHT - 5:.1f}" '
            f'width="{max(share * width, 1.0):.1f}" height="3"/>'
        )
        start += share * width
    return "".join(parts)


def _lines(text: str) -> str:
    """The lines without control characters, which XML does not allow."""
    return "\n".join(printable(line) for line in text.split("\n"))
