"""``qinn-bench compare``: ranks and corrected verdicts from anybody's table of results; works without torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench import store
from qinn_bench.cli._tables import FORMS
from qinn_bench.report import compare as report
from qinn_bench.results_table import Columns, read
from qinn_bench.round_robin import Findings, Terms, compared
from qinn_bench.values import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A file, the names of its columns, the terms of the comparison, and a format."""
    parser.add_argument("--from", type=Path, required=True, dest="file", help="a table in CSV, one line a score")
    parser.add_argument("--row", required=True, help="the column that names what is compared, such as model")
    parser.add_argument("--column", default="", help="the column that names the data sets (default: there is one)")
    parser.add_argument("--value", required=True, help="the column of scores")
    parser.add_argument("--seed", default="", help="the column that tells runs apart; runs of equal seed are paired")
    parser.add_argument("--sd", default="", help="the column of standard deviations over runs, where scores are means")
    parser.add_argument("--n", default="", help="the column of the numbers of runs, where scores are means")
    parser.add_argument("--better", choices=("higher", "lower"), default="higher")
    parser.add_argument("--margin", type=float, help="the largest difference that counts as none")
    parser.add_argument("--level", type=float, default=0.05, help="the chance of any false verdict (default: 0.05)")
    parser.add_argument(
        "--over",
        choices=("auto", "pairs", "columns"),
        default="auto",
        help="replicates are data sets or pairs of data set and seed (auto: data sets where there are five)",
    )
    parser.add_argument("--drop", action="store_true", help="leave out data sets or seeds where a row has no score")
    parser.add_argument("--format", choices=FORMS, default="text", help="csv has the pairs, json all numbers in full")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    parser.add_argument("--out", type=Path, help="write to this file instead")


def run(options: argparse.Namespace) -> int:
    """Print how the rows stand and what is said of each two of them."""
    if options.margin is not None and not options.margin > 0:
        raise Refused(f"the margin is {options.margin:g}, expected the largest difference that counts as none, above 0")
    if not 0 < options.level < 0.5:
        raise Refused(f"the level is {options.level:g}, expected a chance between 0 and 0.5")
    columns = Columns(options.row, options.value, options.column, options.seed, options.sd, options.n)
    terms = Terms(options.better, options.margin, options.level, options.over)
    findings = compared(read(options.file, columns, options.drop), terms)
    text = _rendered(findings, options.file.name, options.format)
    if options.out:
        store.write_whole(options.out, lambda file: file.write(text.encode()))
    else:
        print(text)
    return 0


def _rendered(findings: Findings, name: str, form: str) -> str:
    if form == "json":
        return findings.model_dump_json(indent=1)
    rows, pairs = report.standings(findings, name), report.pairs(findings, name)
    if form == "csv":
        return pairs.csv()
    render = FORMS[form]
    return f"{render(rows)}\n{render(pairs)}"
