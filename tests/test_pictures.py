"""The pictures of the documentation are there, shown, and small."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
MOST_BYTES = 300_000
MOST = 5


def test_pictures_are_few_small_and_shown_on_the_page() -> None:
    pictures = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(pictures/([\w.-]+)\)", page)) == pictures.keys()
    assert len(pictures) <= MOST
    assert sum(pictures.values()) < MOST_BYTES
    for name in pictures:
        head = (FOLDER / name).read_bytes()[:12]
        assert (head[:4], head[8:]) == (b"RIFF", b"WEBP"), name


def test_pictures_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    assert "docs/pictures/lineage-light.webp" in shown
    assert all((ROOT / path).is_file() for path in shown if ":" not in path)
