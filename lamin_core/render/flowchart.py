"""A drawing of lineage in the languages of Graphviz and Mermaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamin_core.render.layout import Link
from lamin_core.render.svg import ENGINES, Box

_COLOURS = {
    "snakemake": ("#e3f5e6", "#1a7f37"),
    "nextflow": ("#ddf4f4", "#1b7c83"),
    "prefect": ("#ddebff", "#0550ae"),
    "python": ("#f1ebfa", "#8250df"),
    "shell": ("#fff3d6", "#9a6700"),
    "other": ("#eff1f3", "#57606a"),
    "failed": ("#ffebe9", "#cf222e"),
    "outdated": ("#fff8f0", "#bc4c00"),
    "artifact": ("#ffffff", "#8c959f"),
}
"""Fill and line, as in `lamin_core.render.svg`; what comes last wins."""
_ORDER = ("failed", "outdated", *ENGINES, "other", "artifact")


def dot(boxes: Mapping[int, Box], links: Sequence[Link]) -> str:
    """The boxes and links as a digraph: `dot -Tsvg`.

    >>> print(dot({1: Box("a.csv", "v0000", "a.csv", "artifact")}, []))
    digraph lineage {
      rankdir=LR; node [shape=box, style="filled,rounded", fontname="sans-serif", fontsize=10];
      a1 [label="a.csv\\nv0000", fillcolor="#ffffff", color="#8c959f"];
    }
    """
    lines = ["digraph lineage {"]
    lines.append(
        '  rankdir=LR; node [shape=box, style="filled,rounded", fontname="sans-serif", fontsize=10];'
    )
    for node, box in boxes.items():
        fill, line = _COLOURS[_style(box)]
        label = "\\n".join(filter(None, (_quoted(box.name), _quoted(box.detail))))
        lines.append(f'  {_name(node)} [label="{label}", fillcolor="{fill}", color="{line}"];')
    lines += [f"  {_name(source)} -> {_name(target)};" for source, target in links]
    return "\n".join([*lines, "}"])


def mermaid(boxes: Mapping[int, Box], links: Sequence[Link]) -> str:
    """The boxes and links as a flowchart.

    >>> print(mermaid({1: Box("a.csv", "v0000", "a.csv", "artifact")}, []))
    flowchart LR
      a1(["a.csv<br/>v0000"]):::artifact
      classDef artifact fill:#ffffff,stroke:#8c959f,color:#1f2328
    """
    lines = ["flowchart LR"]
    for node, box in boxes.items():
        label = "<br/>".join(filter(None, (_entities(box.name), _entities(box.detail))))
        shape = f'["{label}"]' if node < 0 else f'(["{label}"])'
        lines.append(f"  {_name(node)}{shape}:::{_style(box)}")
    lines += [f"  {_name(source)} --> {_name(target)}" for source, target in links]
    for name in dict.fromkeys(map(_style, boxes.values())):
        fill, line = _COLOURS[name]
        lines.append(f"  classDef {name} fill:{fill},stroke:{line},color:#1f2328")
    return "\n".join(lines)


def _name(node: int) -> str:
    return f"r{-node}" if node < 0 else f"a{node}"


def _style(box: Box) -> str:
    classes = box.classes.split()
    return next(name for name in _ORDER if name in classes)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _entities(text: str) -> str:
    """Everything that has a meaning in Mermaid or HTML as its number."""
    return "".join(f"#{ord(letter)};" if letter in '#"&<>`;' else letter for letter in text)
