"""``qinn-bench compare``: ranks and corrected verdicts from anybody's table of results; works without torch."""

from __future__ import annotations

import argparse
import csv
import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from qinn_bench.report.budget_table import tables
from qinn_bench.report.compared_rows import ComparedRows
from qinn_bench.report.forms import FORMS
from qinn_bench.statistics.findings import CompareTerms
from qinn_bench.values import Refused
from qinn_bench.verdicts.all_against_all import compared, terms_of, with_control
from qinn_bench.verdicts.outside_results import Columns, read
from qinn_bench.verdicts.outside_trials import at_budgets, flips, read_trials
from qinn_bench.writing import write_text

PICTURES = (".png", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A file, the names of its columns, the terms of the comparison, what is shown, and a format."""
    parser.add_argument("--from", type=Path, required=True, dest="file", help="a table in CSV, one line a score")
    parser.add_argument("--row", required=True, help="the column that names what is compared, such as model")
    parser.add_argument("--column", default="", help="the column that names the data sets (default: there is one)")
    parser.add_argument("--value", required=True, help="the column of scores")
    parser.add_argument("--seed", default="", help="the column that tells runs apart; runs of equal seed are paired")
    parser.add_argument(
        "--trial", default="", help="the column that tells the trials of a search apart: verdicts by budget"
    )
    parser.add_argument("--sd", default="", help="the column of standard deviations over runs, where scores are means")
    parser.add_argument("--n", default="", help="the column of the numbers of runs, where scores are means")
    parser.add_argument("--rows", default="", help="compare these rows only, separated by commas")
    parser.add_argument("--control", default="", help="compare every other row with this one only")
    parser.add_argument("--better", choices=("higher", "lower"), default="higher")
    parser.add_argument("--margin", help="the largest difference that counts as none")
    parser.add_argument("--level", default="0.05", help="the chance of any false verdict (default: 0.05)")
    parser.add_argument(
        "--over",
        choices=("auto", "pairs", "columns"),
        default="auto",
        help="replicates are data sets or pairs of data set and seed (auto: data sets where there are five)",
    )
    parser.add_argument("--drop", action="store_true", help="leave out data sets or seeds where a row has no score")
    parser.add_argument("--summary", action="store_true", help="leave out the pairs on each single data set")
    parser.add_argument("--figure", type=Path, help="draw the critical differences to this file (.png or .pdf)")
    parser.add_argument("--format", choices=FORMS, default="text", help="csv has the pairs, json all numbers in full")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    parser.add_argument("--out", type=Path, help="write to this file instead")


def run(options: argparse.Namespace) -> int:
    """Print how the rows stand and what is said of each two of them."""
    if options.figure and options.figure.suffix not in PICTURES:
        raise Refused(f"the figure is to be '{options.figure}', expected a name that ends with {' or '.join(PICTURES)}")
    columns = Columns(options.row, options.value, options.column, options.seed, options.sd, options.n, options.trial)
    terms = terms_of(options.better, options.margin, options.level, options.over, options.control)
    asked = [name.strip() for name in next(csv.reader([options.rows], skipinitialspace=True), [])]
    if options.trial:
        return _by_budget(options, columns, terms, asked)
    results = read(options.file, columns, options.drop, with_control(asked, terms))
    shown = ComparedRows(compared(results, terms), options.file.name, options.summary)
    if options.figure:
        _draw(shown, options.figure)
    text = shown.rendered(options.format)
    if options.out:
        write_text(options.out, text)
    else:
        print(text)
    return 0


def _by_budget(options: argparse.Namespace, columns: Columns, terms: CompareTerms, asked: Sequence[str]) -> int:
    """Print the expected best of k trials of each row, and the verdicts at every k."""
    if options.figure:
        raise Refused("--figure draws critical differences, of which there are some at every budget; leave --trial out")
    trials = read_trials(options.file, columns, options.drop, with_control(asked, terms))
    budgets = at_budgets(trials, terms)
    if options.format == "json":
        text = (
            json.dumps(
                {"budgets": [at.model_dump() for at in budgets], "flips": [one.model_dump() for one in flips(budgets)]},
                indent=1,
                ensure_ascii=False,
            )
            + "\n"
        )
    else:
        text = "\n".join(FORMS[options.format](table) for table in tables(trials, budgets, options.file.name))
    if options.out:
        write_text(options.out, text)
    else:
        print(text, end="")
    return 0


def _draw(shown: ComparedRows, path: Path) -> None:
    """Draw the diagram; what draws is loaded only here, as it takes longer than all else."""
    figure = importlib.import_module("qinn_bench.report.critical_figure").critical_figure(shown.findings)
    importlib.import_module("qinn_bench.report.figure_style").save_as(figure, path)
