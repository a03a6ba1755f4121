"""What a bundle says first: how to look at it, and how to get one number again in five minutes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from qinn_bench import __version__
from qinn_bench.report.again import compare_again, run_again
from qinn_bench.report.numbers import number
from qinn_bench.report.pages.study_page import StudyPage
from qinn_bench.report.study_columns import title_of
from qinn_bench.study import study_files
from qinn_bench.values import Record

TEXT = """# {title}

{records} records of the study `{study}`, with all that is needed to look at them, to judge its claims again and
to train any of its cells again. Made by qinn-bench {version}{commit}.

| file | what it is |
|---|---|
{files}

## Five minutes

1. Install: `pip install qinn-bench=={version} -c environment.lock`{source}.
2. Check that nothing was changed: `sha256sum -c SHA256SUMS`, and `qinn-bench report --check .` for the description too.
3. Open `page.html` in any browser; it needs no network. Every number leads to its records.
4. The table again from the records: `{table}`.
{claims}{place}. One number again. The record `{key}` (row `{row}`, seed {seed}) took {seconds} s of CPU and has
   {numbers}. In this folder, `qinn-bench reproduce {key}` trains it again and compares; or by hand:

   ```sh
   {run}
   {agree}
   ```

Training is chaotic to rounding: another processor or other versions of libraries give other digits, and `agree` says
whether they are the same within errors.
{missing}"""


def recipe(page: StudyPage, files: Sequence[str], missing: Sequence[str]) -> str:
    """The README of a bundle, in Markdown."""
    study, name = f"{study_files.FOLDER}/{page.study.name}.toml", page.study.name
    records = f"results/published/{name}.jsonl.gz"
    cell = cheapest(page.records)
    claims = [f"`qinn-bench claims check {file} --records {records}`" for file in files if _is_claims(file)]
    commit = str(cell.provenance.get("commit", ""))
    return TEXT.format(
        title=_plain(page.study.title or name),
        records=len(page.records),
        study=name,
        version=__version__,
        commit=f"; records of commit `{commit[:12]}`" if commit else "",
        source=f", or the source at commit `{commit[:12]}`" if commit else "",
        files="\n".join(f"| `{file}` | {said_of(file)} |" for file in files),
        table=shlex.join(["qinn-bench", "table", study, "--records", records]),
        claims=f"5. The verdicts again: {', '.join(claims)}.\n" if claims else "",
        place=6 if claims else 5,
        key=cell.key,
        row=_plain(cell.row),
        seed=cell.cell.seed,
        seconds=f"{cell.cost.get('train_cpu_s', 0.0):.3g}",
        numbers=_numbers(cell),
        run=run_again(cell, study, seed=True),
        agree=compare_again(study, records),
        missing="".join(f"\nNot in this bundle: {one}.\n" for one in missing),
    )


def cheapest(records: Sequence[Record]) -> Record:
    """The finished cell of a compared model that took the least CPU; without one, the first record."""
    trained = [one for one in records if one.status == "ok" and one.role == "model" and "train_cpu_s" in one.cost]
    return min(trained, key=lambda one: (one.cost["train_cpu_s"], one.key), default=records[0])


def said_of(file: str) -> str:
    """What a file of a bundle is.

    >>> said_of("page.html")
    'the page of the study'
    """
    kinds = {
        "page.html": "the page of the study",
        "environment.lock": "versions, as pip takes constraints",
        "README.md": "how to look at it, and how to get one number again",
        "benchmarks/studies/": "the study file, and what it names beside it",
        "benchmarks/claims/": "claims about the study, and when they were frozen",
        "results/published/": "the records, as verbs read them",
        "results/licence/": "what the metrics can see on these data",
    }
    return next(
        (said for start, said in kinds.items() if file.startswith(start)), "the study file where claims look for it"
    )


def _is_claims(file: str) -> bool:
    return file.startswith("benchmarks/claims/") and file.endswith(".toml")


def _numbers(record: Record) -> str:
    known = [(name, one) for name, one in record.metrics.items() if one.value is not None][:2]
    told = [
        f"{title_of(name)} {number(one.value, one.error)} {one.unit}".strip()
        for name, one in known
        if one.value is not None
    ]
    return ", ".join(told) or "no numbers"


def _plain(text: str) -> str:
    """Text on one line that is no markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]|#" else letter for letter in " ".join(text.split()))
