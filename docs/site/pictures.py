"""The pictures of the concept pages, from published records and from small exact examples.

Run as ``python docs/site/pictures.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import norm

from qinn_bench.records import published
from qinn_bench.report.family_curves import families_of
from qinn_bench.report.figure_style import COLUMN, PAGE, PALETTE, STYLE, save_as
from qinn_bench.statistics.budget_curves import expected_best
from qinn_bench.study.study_files import read_plain

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "results" / "published"
FOLD = 0.8
"""Where the map of the first picture turns round."""


def folded_mass() -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A map with a fold, the "density" that it claims on a grid, and what that integrates to.

    >>> x, z, claimed, mass = folded_mass()
    >>> 1.2 < mass < 1.9
    True
    """
    x = np.linspace(-5, 7, 6001)
    z = np.where(x < FOLD, x, 2 * FOLD - x)
    claimed = norm.pdf(z)
    return x, z, claimed, float(np.trapezoid(claimed, x))


def certificate() -> Figure:
    """A map that is not one-to-one, and the density that it claims."""
    x, z, claimed, mass = folded_mass()
    figure, (left, right) = _panels(2)
    left.plot(x, z, color=PALETTE[2])
    left.axhline(0.2, color="0.5", linewidth=0.6, linestyle=":")
    left.set_xlabel("row x", loc="right")
    left.set_ylabel("latent z = f(x)")
    left.set_title("two rows, one latent", fontsize=8.5)
    right.plot(x, norm.pdf(x), color="black", label="a density: integral 1")
    right.fill_between(x, claimed, color=PALETTE[2], alpha=0.2, linewidth=0)
    right.plot(x, claimed, color=PALETTE[2], label=f"claimed: integral {mass:.2f}")
    right.set_xlabel("row x", loc="right")
    right.set_ylim(0, 0.55)
    right.set_title("$|dz/dx|\\, p(f(x))$", fontsize=8.5)
    right.legend(loc="upper left")
    return figure


def matching() -> Figure:
    """Quality against size: what is compared at equal size, and at equal quality."""
    study = read_plain(Path("capacity_zjets"))
    grown = families_of(study, ROOT / "results", RECORDS / "capacity_zjets.jsonl.gz", "nll", "parameters")
    figure, (axes,) = _panels(1)
    shown = {"hybrid_qinn (couplings)": PALETTE[2], "spline_inn": PALETTE[0]}
    curves = {curve.family: curve for curve in grown.curves if curve.family in shown}
    for name, colour in shown.items():
        sizes, losses = curves[name].arrays
        axes.errorbar(sizes, losses.mean(1), losses.std(1, ddof=1), fmt="o-", color=colour, label=name, markersize=3)
    size, loss = (one[2] for one in curves["hybrid_qinn (couplings)"].arrays)
    other = np.interp(np.log(size), np.log(curves["spline_inn"].sizes), curves["spline_inn"].arrays[1].mean(1))
    look: dict[str, Any] = {"arrowstyle": "<->", "color": "0.3", "shrinkA": 2, "shrinkB": 0}
    axes.annotate("", (size, other), (size, loss.mean()), arrowprops=look)
    axes.text(size * 1.06, (other + loss.mean()) / 2, "equal size", fontsize=7, va="center")
    ratio = next(one for one in grown.ratios if (one.quantum, one.classical) == tuple(shown))
    known = next((one for one in ratio.per_size if one.size == size and one.ratio), None)
    if known is not None and known.ratio is not None:
        axes.annotate("", (size * known.ratio, loss.mean()), (size, loss.mean()), arrowprops=look)
        axes.text(size * known.ratio**0.5, loss.mean() + 0.05, "equal quality", fontsize=7, ha="center")
    axes.set_xscale("log")
    axes.set_xlabel("parameters", loc="right")
    axes.set_ylabel("NLL [nats]")
    axes.legend(loc="upper right")
    return figure


def tuning() -> Figure:
    """The expected best of k trials of two made-up families: which one is better depends on k."""
    trials = {"easy to tune": np.linspace(1.0, 1.3, 16), "hard to tune": np.r_[0.8, np.linspace(1.2, 2.0, 15)]}
    figure, (axes,) = _panels(1)
    for (name, own), colour in zip(trials.items(), PALETTE, strict=False):
        ks = np.arange(1, len(own) + 1)
        axes.plot(ks, [expected_best(own, k, higher=False) for k in ks], "o-", color=colour, markersize=3, label=name)
    axes.set_xlabel("trials of each", loc="right")
    axes.set_ylabel("expected best loss")
    axes.legend(loc="upper right")
    return figure


def verdicts() -> Figure:
    """Intervals of a difference against a margin, and the verdict that each gives."""
    figure, (axes,) = _panels(1)
    cases = {"supported": (0.25, 0.1), "undecided: too few seeds": (0.18, 0.22), "refuted": (-0.1, 0.12)}
    for at, (name, (middle, half)) in enumerate(cases.items()):
        axes.errorbar([middle], [at], xerr=half, fmt="o", color=PALETTE[at], markersize=3)
        axes.text(0.62, at, name, fontsize=7, va="center")
    axes.axvline(0.1, color="0.3", linewidth=0.8, linestyle="--")
    axes.text(0.11, 2.6, "margin", fontsize=7, va="center")
    axes.axvline(0.0, color="0.7", linewidth=0.6)
    axes.set_ylim(3, -0.6)
    axes.set_xlim(-0.4, 1.15)
    axes.set_yticks([])
    axes.minorticks_off()
    axes.set_xlabel("by how much the first is better", loc="right")
    return figure


def nulls() -> Figure:
    """A hybrid beside its own controls: what is left if its circuit is replaced or held fixed."""
    records = published.read(RECORDS / "capacity_zjets_v2.jsonl.gz", "capacity_zjets_v2")
    first = next(one.row for one in records if one.row.startswith("hybrid_qinn (conditioner)") and not one.control_of)
    rows = {"as it is": first} | {
        one.cell.control: one.row
        for one in records
        if one.control_of and one.control_of in (first, first.split(" · ")[0])
    }
    rows.pop("untrained", None)
    figure, (axes,) = _panels(1)
    for at, row in enumerate(rows.values()):
        own = [one.metrics["nll"].value for one in records if one.row == row and "nll" in one.metrics]
        values = np.array([value for value in own if value is not None])
        axes.plot(values, np.full(len(values), at), "o", color=PALETTE[2 if at == 0 else 0], markersize=3, alpha=0.6)
        axes.plot([values.mean()] * 2, [at - 0.3, at + 0.3], color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.minorticks_off()
    axes.set_xlabel("NLL [nats]", loc="right")
    return figure


def _panels(n: int) -> tuple[Figure, list[Any]]:
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE if n > 1 else COLUMN * 1.3, 2.4), layout="constrained")
        return figure, list(figure.subplots(1, n, squeeze=False)[0])


PICTURES: dict[str, Callable[[], Figure]] = {
    "certificate": certificate,
    "matching": matching,
    "tuning": tuning,
    "verdicts": verdicts,
    "nulls": nulls,
}


def draw(folder: Path) -> list[Path]:
    """Draw all of them into a folder, and say where they are."""
    made = []
    for name, of in PICTURES.items():
        with rc_context({**STYLE, "savefig.dpi": 160}):
            save_as(of(), folder / f"concept_{name}.png")
        made.append(folder / f"concept_{name}.png")
    return made


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "figures")
