"""The command line: parse, call the verb, and turn what users may get wrong into one sentence and exit code 2."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys

from qinn_bench import __version__
from qinn_bench.cli import _early
from qinn_bench.values import Refused

VERBS = {
    "list": "what exists: models, data sets, metrics, backends",
    "data": "make, list, describe and verify data sets",
    "match": "shapes of model families that meet a parameter budget",
    "run": "run a study; what is finished is not run again",
    "status": "how far a study is",
    "table": "the table of a study, from its records",
    "publish": "the records of a study in one file to be committed, without their arrays",
    "figure": "the figures of a study, from its records",
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
    "scale": "how time and memory of the simulators grow with the number of qubits",
}

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Read by the libraries when they are loaded: threads that spin cost more than they give. Verbs have ``--threads``."""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 ok, 2 usage, 3 some cells failed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for variable, value in ONE_THREAD.items():
        os.environ.setdefault(variable, value)
    parser = argparse.ArgumentParser(prog="qinn-bench", description="At equal capacity, is a quantum model better?")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = next((word for word in arguments if word in VERBS), None)
    if asked and not {"-h", "--help"} & set(arguments):
        try:
            _early.check(asked, arguments)
        except Refused as refusal:
            return _refused(asked, refusal)
    for name, help_text in VERBS.items():
        verb = verbs.add_parser(name, help=help_text, description=help_text)
        if name == asked:
            importlib.import_module(f"qinn_bench.cli.{name}").add_arguments(verb)
    options = parser.parse_args(arguments)
    # An end that others ask for cleans up as an interrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return int(importlib.import_module(f"qinn_bench.cli.{options.verb}").run(options))
    except Refused as refusal:
        return _refused(options.verb, refusal)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _refused(verb: str, refusal: Refused) -> int:
    print(f"qinn-bench {verb}: {refusal}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
