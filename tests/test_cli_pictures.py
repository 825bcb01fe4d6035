"""`lamin lineage` as a picture, in a file, and as a tree that fits the terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lamin_core as ln
from lamin_core.instance.instance import connect, disconnect, init
from lamin_core.render.svg import Box
from lamin_core.render.text_width import pixels
from tests.support.commands import lamin, on_terminal, typed

LAMIN = str(Path(sys.executable).with_name("lamin"))
SAMPLES = 5


@pytest.fixture
def samples(in_tmp_path: Path) -> Path:
    """An instance in which one step cleaned each of five samples, and another merged them."""
    init("./data")
    for number in range(SAMPLES):
        raw = in_tmp_path / f"raw/a_sample_with_a_name_that_is_long_{number}.fastq"
        raw.parent.mkdir(exist_ok=True)
        raw.write_text(f"{number}")
        artifact = ln.Artifact(raw, run=False).save()
        with ln.run("clean.py"):
            artifact.cache()
            (in_tmp_path / f"{number}.tsv").write_text(f"clean {number}")
            ln.Artifact(f"{number}.tsv").save()
    with ln.run("merge.py"):
        for number in range(SAMPLES):
            ln.Artifact.get(key=f"{number}.tsv").cache()
        (in_tmp_path / "merged.csv").write_text("merged")
        ln.Artifact("merged.csv").save()
    disconnect()
    return in_tmp_path


def test_similar_tasks_are_one_box_with_the_colour_of_their_engine(samples: Path) -> None:
    picture = typed("lineage", "merged.csv", "--svg").stdout
    texts = [
        node.text for node in ElementTree.fromstring(picture).iter() if node.tag.endswith("}text")
    ]
    assert f"clean.py x {SAMPLES}" in texts
    assert texts.count(f"{SAMPLES} artifacts") == 2
    assert len(re.findall('<g class="run python', picture)) == 3  # two steps, and the legend
    assert "python" in texts


def test_graphviz_and_mermaid_have_the_same_boxes_and_links(samples: Path) -> None:
    dot = typed("lineage", "merged.csv", "--dot").stdout
    mermaid = typed("lineage", "merged.csv", "--mermaid").stdout
    assert dot.startswith("digraph lineage {")
    assert mermaid.startswith("flowchart LR\n")
    assert dot.count("->") == mermaid.count("-->") == 4
    for text in (dot, mermaid):
        assert f"clean.py x {SAMPLES}" in text


def test_format_of_the_output_file_follows_its_suffix(samples: Path) -> None:
    for name in ("f.svg", "f.dot", "f.mmd", "f.json", "f.txt"):
        assert typed("lineage", "merged.csv", "-o", name).stdout == ""
    assert ElementTree.parse(samples / "f.svg").getroot().tag.endswith("svg")
    assert len(json.loads((samples / "f.json").read_text())["runs"]) == SAMPLES + 1
    assert (samples / "f.txt").read_text().startswith("merged.csv  v0000\n")
    assert "-o f.svg" in typed("lineage", "merged.csv", "-o", "f.png", code=2).stderr
    assert typed("lineage", "--all", "--mermaid").stdout.count("-->") >= 4


def test_lineage_of_a_run_shows_its_inputs_and_outputs(samples: Path) -> None:
    lines = typed("lineage", "--run", "merge.py").stdout.splitlines()
    assert lines[0] == "What it read:"
    assert any(line.endswith("4.tsv  v0000") for line in lines)
    wrote = lines.index("What it wrote:")
    assert lines[wrote + 2] == "└─ merged.csv  v0000"


def test_tree_is_coloured_and_fits_only_on_a_terminal(
    samples: Path,
) -> None:
    environment = {**os.environ, "COLUMNS": "48", "TERM": "xterm"}
    shown, code = on_terminal(LAMIN, "lineage", "merged.csv", env=environment)
    assert code == 0
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, plain)) <= 48
    assert any("..." in line for line in plain)
    bare, _ = on_terminal(LAMIN, "lineage", "merged.csv", env={**environment, "NO_COLOR": "1"})
    assert "\x1b[" not in bare
    whole = lamin("lineage", "merged.csv", env=environment).stdout
    assert "..." not in whole
    assert "\x1b[" not in whole


@pytest.mark.parametrize(
    "text",
    ["WWWWWWWWWWWWWWWW", "iiiiiiii", "a3/543053569cd22b9ce8321b418cbbe5", "日本語のファイル"],
)
def test_box_is_wide_enough_for_its_text(text: str) -> None:
    font = pytest.importorskip("matplotlib.font_manager")
    from matplotlib.ft2font import FT2Font, LoadFlags

    face = FT2Font(font.findfont("DejaVu Sans"))
    face.set_size(12, 72)
    if text.isascii():  # the font lacks the others
        face.set_text(text, flags=LoadFlags.NO_HINTING)
        assert face.get_width_height()[0] / 64 <= pixels(text, 12) + 1
    assert Box(text, text, "", "artifact").width >= pixels(text, 12) + 18


def test_html_output_is_one_file_with_one_script(samples: Path) -> None:
    artifact = ln.Artifact(
        samples / "merged.csv", key="<img src=x onerror=alert(1)>.csv", run=False
    )
    connect()
    artifact.save()
    disconnect()
    typed("lineage", "merged.csv", "--html", "mail.html")
    page = (samples / "mail.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page
    assert f"clean.py x {SAMPLES}" in page
    assert page.count("<tr>") == 2 * SAMPLES + 1 + SAMPLES + 1 + 2
    assert " href=" not in page.partition("<script")[0]
    assert re.findall("<script[^>]*>", page) == [
        '<script type="application/json" id="lineage-data">',
        "<script>",
    ]
    assert "script-src 'sha256-" in page
    typed("lineage", artifact.uid, "-o", "other.html")
    assert "<img" not in (samples / "other.html").read_text()
    refused = typed("lineage", "merged.csv", "--html", "mail.txt", code=2)
    assert "not the name of an HTML file: 'mail.txt'" in refused.stderr
