"""``qinn-bench capacity``: the families of a study, their curves, and the equivalence ratios; works without torch."""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

from qinn_bench import curves, store
from qinn_bench.capacity import AXES, Curve, capacity, ratio
from qinn_bench.report.layout import number
from qinn_bench.values import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, its results, the metric, and what sizes are measured in."""
    parser.add_argument("study", type=Path, help="a study file (TOML) with sizes")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-d", "--data", default="", help="the data set, where the study has several")
    parser.add_argument("--metric", default="nll", help="what quality is (default: nll)")
    parser.add_argument("--axis", default="parameters", help=f"parameters or one of: {', '.join(AXES)}")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print each family with its power law and what was left out, then the ratio of each quantum to each other one."""
    if not options.study.is_file():
        raise Refused(f"there is no study file '{options.study}'")
    try:
        name = tomllib.loads(options.study.read_text(encoding="utf8"))["name"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise Refused(f"{options.study} is not a study in TOML: {error}") from None
    families = capacity(store.load_all(options.results, name), options.metric, options.axis, options.data)
    firsts, seconds = ([c.family for c in families if c.quantum is quantum] for quantum in (True, False))
    found = [ratio(families, first, second) for first in firsts for second in seconds]
    if options.json:
        content = {"families": [c.model_dump() for c in families], "ratios": [e.model_dump() for e in found]}
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return 0
    for curve in families:
        print(_described(curve))
    if not found:
        print("no ratio: a family with circuits and one without were expected")
    for one in found:
        ends = " to ".join("?" if end is None else f"{end:.3g}" for end in one.interval)
        print(f"{one.quantum} against {one.classical}: {one.reason}; 95 % interval {ends}")
    return 0


def _described(curve: Curve) -> str:
    sizes, losses = curve.arrays
    head = f"{curve.family}: sizes {', '.join(f'{size:g}' for size in sizes) or 'none'}; {len(curve.seeds)} seeds"
    if len(sizes) >= 3 and len(curve.seeds) >= 2:
        fit, error = curves.power_law(sizes, losses), curves.jackknife(sizes, losses)
        head += f"; b = {number(fit.exponent, error.exponent)}, q_inf = {number(fit.floor, error.floor)}"
        head += f", chi2 = {fit.chi2:.3g} for {len(sizes) - 3} degrees of freedom"
    return "\n".join([head, *(f"  ↳ {remark}" for remark in curve.remarks)])
