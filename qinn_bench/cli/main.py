"""The command line: parse, call the verb, and turn whatever stops it into one sentence and an exit code of its own."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from qinn_bench import __version__
from qinn_bench.cli import _endings, _output

VERBS = {
    "list": "what exists: models, data sets, metrics, backends",
    "data": "make, list, describe and verify data sets",
    "match": "shapes of model families that meet a parameter budget",
    "plan": "what a run of a study would do, and how long it would take; nothing is run",
    "run": "run a study; what is finished is not run again",
    "tune": "as many trials for every row of a study, and the verdict at each budget of trials",
    "status": "how far a study is",
    "table": "the table of a study, from its records",
    "check": "the laws of models, data sets and metrics, on a file of yours or on anything by name",
    "init": "write a study, a model, a data set or a metric to start from",
    "publish": "the records of a study in one file to be committed, without their arrays",
    "clean": "what killed runs have left, to be looked at or removed; finished records only where they are asked for",
    "merge": "records of a study from another folder or a published file, so that a run goes on from them",
    "reproduce": "a cell run again from its record alone, and whether its numbers come back",
    "export": "the records of a study as one table of numbers: CSV, Parquet or JSON",
    "figure": "the figures of a study, from its records",
    "report": "a study as one page or as a bundle for a referee, and the page of all verdicts on claims",
    "showers": "the showers that the rows of a study have drawn, in files of the CaloChallenge's layout",
    "lint-paper": "numbers of a draft (LaTeX) that no record has, or printed beyond their uncertainty",
    "roc": "areas under ROC curves both ways, the complexity bias, and points on the curves",
    "agree": "do two runs of a study agree within their errors",
    "licence": "the smallest deformations of the truth that each metric can see",
    "capacity": "quality against size for each family, and how much larger the classical ones have to be",
    "variance": "how much of a number's spread comes from each source of randomness",
    "compare": "ranks and verdicts from anybody's table of results (CSV)",
    "claims": "check, freeze and list files of claims",
    "diagnose": "what a model could represent: its circuits, Fisher information and Jacobian",
    "quality": "did the numbers of pinned seeds move from the golden ones",
    "doctor": "what this installation can do, and whether its simulators agree",
    "gate": "whether one version of this project is slower than another",
    "nightly": "everything that is watched: counters, speed against the anchor and the last green run, quality",
    "counters": "what the workloads ask for, counted exactly, and whether it grew",
    "completion": "a script by which a shell completes verbs, options and names of studies",
    "scale": "how time and memory of the simulators grow with the number of qubits",
}

DEBUG = "--debug"
FOLDERS = {"--models": "models", "--data-sets": "data sets", "--metric-files": "metrics"}
"""So may these, each as often as there are folders."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Read by the libraries when they are loaded: threads that spin cost more than they give. Verbs have ``--threads``."""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return its exit code: that of its answer, or one of `_endings`, of which none is 1."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug, asked = DEBUG in arguments, _verb(arguments)
    for variable, value in ONE_THREAD.items():
        os.environ.setdefault(variable, value)
    try:
        _output.occupy()
        _output.prepare()
        _endings.check_room()
        code = _run([word for word in arguments if word != DEBUG], asked)
        _endings.flushed()
    except SystemExit:
        _endings.silence()
        raise
    except (Exception, KeyboardInterrupt) as error:
        return _endings.ended(error, asked, debug=debug)
    return code


def _verb(arguments: Sequence[str]) -> str:
    """The first verb among the arguments, as far as it is known before they are parsed; no folder is one."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return next((word for before, word in pairs if word in VERBS and before not in FOLDERS), "")


def module_of(verb: str) -> str:
    """The module that a verb is in.

    >>> module_of("lint-paper")
    'qinn_bench.cli.lint_paper'
    """
    return f"qinn_bench.cli.{verb.replace('-', '_')}"


def _run(arguments: list[str], asked: str) -> int:
    """Parse the arguments and call the verb; only the one that is asked for is loaded."""
    parser = argparse.ArgumentParser(prog="qinn-bench", description="At equal capacity, is a quantum model better?")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(DEBUG, action="store_true", help="print the traceback of an error")
    for option, what in FOLDERS.items():
        parser.add_argument(option, metavar="FOLDER", help=f"let the {what} in this folder join; before or after VERB")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    if asked:
        arguments = importlib.import_module("qinn_bench.cli._folders").join(arguments)
    if asked and not {"-h", "--help"} & set(arguments):
        importlib.import_module("qinn_bench.cli._early").check(asked, arguments)
    for name, help_text in VERBS.items():
        verb = verbs.add_parser(name, help=help_text, description=help_text)
        if name == asked:
            importlib.import_module(module_of(name)).add_arguments(verb)
    options = parser.parse_args(arguments)
    _output.prepare(json=bool(getattr(options, "json", False)) or getattr(options, "format", "") == "json")
    # An end that others ask for cleans up as an interrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return int(importlib.import_module(module_of(options.verb)).run(options))


if __name__ == "__main__":
    sys.exit(main())
