"""What the site does that Markdown on its own does not: pages from beside the folder, and formulas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Files of the repository that are pages of the site too, by the name that guides link them by.
BESIDE = {
    "benchmarks/RESULTS.md": "results.md",
    "CONTRIBUTING.md": "contributing.md",
    "genomic_models/weights/mini/card.md": "mini.md",
    "genomic_models/weights/mini-1/card.md": "mini-1.md",
}
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$`(.+?)`\$", flags=re.DOTALL)
FENCES = re.compile(r"(^```.*?^```$)", flags=re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages from beside the folder of guides."""
    for path, page in BESIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links lead to pages of the site; formulas become MathML, which browsers draw without a script."""
    up = "../" * page.file.src_uri.count("/")
    for path, name in BESIDE.items():
        markdown = markdown.replace(f"]({up}../{path}", f"]({up}{name}")
    if page.file.src_uri in BESIDE.values():
        markdown = markdown.replace("](../docs/", "](").replace("](docs/", "](")
    parts = FENCES.split(markdown)
    return "".join(part if part.startswith("```") else FORMULA.sub(_formula, part) for part in parts)


def _formula(found: re.Match[str]) -> str:
    shown = found[1] is not None
    mathml = convert((found[1] or found[2]).strip(), display="block" if shown else "inline")
    # Markdown leaves what stands within a block of HTML alone; inline, there is nothing it would change.
    return f'\n<div class="formula">{mathml}</div>\n' if shown else mathml
