"""``qinn-bench tune``: as many trials for every row of a study, what they are worth, and the verdict at each budget."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench import limits
from qinn_bench.cli import _clusters, _study
from qinn_bench.cli._endings import INTERRUPTED
from qinn_bench.cli.run import SOME_FAILED
from qinn_bench.limits import Limits
from qinn_bench.records import published
from qinn_bench.records.trials import trials_study
from qinn_bench.report.forms import FORMS
from qinn_bench.report.tuning_table import tuning_table, verdict_table
from qinn_bench.study import progress, study_files
from qinn_bench.study.run_study import Stopped, console, tune_study
from qinn_bench.values import Record, Refused
from qinn_bench.verdicts import tuned_budgets
from qinn_bench.writing import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, filters, limits, and the metric whose curve is shown."""
    _study.add_arguments(parser)
    parser.add_argument("-j", "--jobs", type=int, default=limits.cores(), help="trials at once")
    parser.add_argument("--timeout", type=float, help="wall seconds a trial may take, or its data to be drawn")
    parser.add_argument("--memory", type=float, help="GiB a trial may allocate, or its data when they are drawn")
    _study.add_retry(parser, "trials")
    _clusters.add_arguments(parser)
    parser.add_argument("--metric", help="what k trials are worth; the first of the study's tuning if not given")
    parser.add_argument("--records", type=Path, help="published records of the trials; nothing is run")
    parser.add_argument("--format", choices=FORMS, default="text", help="json is a list of both tables")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    parser.add_argument("--out", type=Path, help="write to this file instead")


def run(options: argparse.Namespace) -> int:
    """Run the trials that are missing and print their tables; 3 if some could not be run."""
    study = study_files.load_study(options.study)
    if not study.tuning:
        raise Refused(f"study '{study.name}' has nothing to tune; a table [tuning] was expected in it")
    if _clusters.dry_run(options):
        return 0
    metric = options.metric or study.tuning.metrics[0]
    complete = True
    if options.records:
        records = published.read(options.records, trials_study(study.name))
    else:
        use = Limits(options.jobs, options.timeout, options.memory)
        kept, retry, log = _study.filters(options), progress.statuses(options.retry), console()
        try:
            with _clusters.scheduler_of(options, log) as scheduler:
                ran = tune_study(study, options.results, kept, use, log, retry=retry, scheduler=scheduler)
        except Stopped:
            return INTERRUPTED
        records, complete = ran.records, ran.complete
    places = {study_files.label_of(row): at for at, row in enumerate(study.models)}
    records.sort(key=lambda one: (str(one.cell.data), places.get(one.family, len(places)), one.size, one.cell.seed))
    _show(records, study.name, metric, options)
    return 0 if complete else SOME_FAILED


def _show(records: list[Record], study: str, metric: str, options: argparse.Namespace) -> None:
    found = tuned_budgets.families(records, metric)
    if not found:
        known = ", ".join(sorted({name for record in records for name in record.metrics})) or "none"
        raise Refused(f"no trial of '{study}' has a value of '{metric}'; there are: {known}")
    pairs = tuned_budgets.verdicts(found, metric)
    tables = [tuning_table(found, study, metric), *([verdict_table(pairs, study, metric)] if pairs else [])]
    shown = [FORMS[options.format](table) for table in tables]
    text = f"[{', '.join(shown)}]\n" if options.format == "json" else "\n".join(shown)
    if options.out:
        write_text(options.out, text)
    else:
        print(text, end="")
