"""The walkthrough works as it is read: typed statement by statement at Python's prompt."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.test_docs import ROOT, read


def _typed(text: str) -> str:
    """The statements of a block as they are typed; the prompt wants a blank line after a compound one.

    >>> _typed("for n in [1]:\\n    print(n)\\nn")
    'for n in [1]:\\n    print(n)\\n\\nn\\n'
    """
    lines = []
    for statement in ast.parse(text).body:
        source = ast.get_source_segment(text, statement) or ""
        lines.append(source)
        if isinstance(statement, ast.For | ast.Try | ast.With | ast.FunctionDef):
            lines.append("")
    return "\n".join([*lines, ""])


def test_walkthrough_typed_at_a_prompt_has_no_traceback(tmp_path: Path) -> None:
    page = read((ROOT / "docs" / "walkthrough.md").read_text("utf-8"))
    blocks = [block for block in page.blocks if block.directive is None]
    shell = "\n".join(block.text for block in blocks if block.language == "bash")
    subprocess.run(["bash", "-c", shell], cwd=tmp_path, check=True, timeout=240)
    typed = "".join(_typed(block.text) for block in blocks if block.language == "python")
    done = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=typed,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "my_datasets/rnaseq1.parquet\n" in done.stdout
