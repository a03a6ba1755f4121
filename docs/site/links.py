"""Hooks of the site: files that pages link to join it; the reference and a page for each file of claims are made."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
DOCS = "docs/"
REFERENCE = {
    "verbs": ("Verbs as functions", ["qinn_bench.api"]),
    "values": ("Values", [f"qinn_bench.nouns.{name}" for name in ("base", "study", "record")]),
    "contracts": ("Contracts", ["qinn_bench.contracts", "qinn_bench.dataset"]),
    "statistics": (
        "Statistics",
        [
            f"qinn_bench.statistics.{name}"
            for name in ("paired", "estimates", "corrections", "sign_flips", "rankings", "welch")
        ],
    ),
    "models": ("Writing models and metrics", ["qinn_bench.about", "qinn_bench.laws.law", "qinn_bench.calorimeter"]),
    "circuits": (
        "Circuits",
        [f"qinn_bench.quantum.{name}" for name in ("circuit", "ansatz", "layer", "controls", "backend_names")],
    ),
    "capacity": (
        "Capacity",
        [f"qinn_bench.capacity.{name}" for name in ("curves", "families", "equivalence", "size_ratio")],
    ),
    "verdicts": (
        "Verdicts",
        [f"qinn_bench.verdicts.{name}" for name in ("claim_file", "claims", "all_against_all", "tuned_budgets")],
    ),
    "reports": (
        "Tables, pages and exports",
        [
            f"qinn_bench.report.{name}"
            for name in ("table_value", "notebook", "pages.study_page", "pages.verdict_page", "paper.lint")
        ]
        + [f"qinn_bench.report.exports.{name}" for name in ("results_json", "benchopt_frame", "croissant")],
    ),
}
"""Pages of the reference, with the modules that each is made of."""


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of their folder, and the pages of the reference."""
    waiting = [(file.src_uri, Path(file.abs_src_path)) for file in files if file.src_uri.endswith(".md")]
    known = {DOCS + file.src_uri for file in files}
    while waiting:
        uri, path = waiting.pop()
        place = uri if not path.is_relative_to(ROOT / "docs") else DOCS + uri
        for _, _, target, _ in LINK.findall(FENCE.sub("", path.read_text("utf8"))):
            there = _place(place, target)
            if there and there not in known and not there.startswith(DOCS) and (ROOT / there).is_file():
                known.add(there)
                files.append(File(there, str(ROOT), config.site_dir, config.use_directory_urls))
                if there.endswith(".md"):
                    waiting.append((there, ROOT / there))
    for name, (title, modules) in REFERENCE.items():
        text = f"# {title}\n\n" + "\n".join(f"::: {module}\n" for module in modules)
        files.append(File.generated(config, f"api/{name}.md", content=text))
    for name, text in _verdicts().items():
        files.append(File.generated(config, f"verdicts/{name}.md", content=text))
    return files


def _verdicts() -> dict[str, str]:
    """A page for each file of claims, with its freezes and the ruling that is kept; and the index of them."""
    made: dict[str, str] = {}
    lines = ["# Verdicts", "", "| file of claims | claims | frozen | ruling |", "|---|---:|---|---|"]
    for path in sorted((ROOT / "benchmarks/claims").glob("*.toml")):
        told = tomllib.loads(path.read_text("utf8"))
        lock, kept = path.with_suffix(".frozen.json"), ROOT / "results/claims" / f"{path.stem}.txt"
        freezes = json.loads(lock.read_text("utf8"))["freezes"] if lock.exists() else []
        made[path.stem] = _of_claims(told, freezes, kept.read_text("utf8") if kept.exists() else "")
        since = freezes[-1]["frozen_utc"][:10] if freezes else "never"
        ruling = "kept" if kept.exists() else "none yet"
        lines.append(f"| [{told['title']}]({path.stem}.md) | {len(told['claims'])} | {since} | {ruling} |")
    return made | {"index": "\n".join(lines) + "\n"}


def _of_claims(told: dict[str, Any], freezes: list[dict[str, Any]], ruling: str) -> str:
    deviations = "".join(f"\n* {' '.join(one.split())}" for one in told.get("deviations", ()))
    claims = "".join(f"\n* `{one['id']}`: {one['statement']}" for one in told["claims"])
    frozen = "".join(f"\n* {one['frozen_utc']}, SHA-256 `{one['sha256'][:16]}`" for one in freezes)
    parts = [
        f"# {told['title']}",
        f"Source: {told['source']}.",
        f"> {told['quoted']}" if told.get("quoted") else "",
        f"Study: `{told['study']}`.",
        f"## Claims\n{claims}",
        f"## In these points what is tested is not what was claimed\n{deviations}" if deviations else "",
        f"## Ruling\n\n```text\n{ruling.strip()}\n```" if ruling else "No records have judged it yet.",
        f"## Freezes\n{frozen}" if frozen else "It was never frozen.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001
    """Let links lead to where their files are in the site; what is not in it stays as words."""
    outside = page.file.abs_src_path and not Path(page.file.abs_src_path).is_relative_to(ROOT / "docs")
    place = page.file.src_uri if outside else DOCS + page.file.src_uri

    def moved(match: re.Match[str]) -> str:
        picture, words, target, anchor = match.groups()
        there = _place(place, target)
        if not there:
            return match[0]
        uri = there.removeprefix(DOCS)
        if files.get_file_from_path(uri) is None:
            return words
        start = posixpath.dirname(page.file.src_uri)
        return f"{picture}[{words}]({posixpath.relpath(uri, start or '.')}{anchor or ''})"

    parts, at = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(moved, markdown[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, LINK.sub(moved, markdown[at:])])


def _place(page: str, target: str) -> str:
    """Where in the project a link of a page leads; empty if it leads elsewhere."""
    if "://" in target or target.startswith(("#", "mailto:")):
        return ""
    there = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
    return "" if there.startswith("..") else there
