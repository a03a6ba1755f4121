"""Figures that records alone give: ratios, budgets of tuning, ranks over data sets; each draws its own numbers."""

from __future__ import annotations

import numpy as np
from test_tuning import trial

from qinn_bench.capacity.equivalence import Equivalence, SizeRatio
from qinn_bench.capacity.families import Curve
from qinn_bench.report.budget_figure import budget_figure, curves_of
from qinn_bench.report.capacity_figure import capacity_figure, nearest_ratios
from qinn_bench.report.figure_style import svg
from qinn_bench.report.ratio_figure import ratio_figure, shown_ratios
from qinn_bench.report.spectrum_figure import spectrum_figure
from qinn_bench.values import Estimate
from qinn_bench.verdicts.tuned_budgets import families

SIZES = (100.0, 200.0, 400.0)


def pair(classical, *ratios, quantum="q", rho=None, interval=(None, None)):
    sizes = tuple(one.model_copy(update={"size": size}) for size, one in zip(SIZES, ratios, strict=False))
    return Equivalence(quantum=quantum, classical=classical, rho=Estimate(value=rho), interval=interval, per_size=sizes)


def found(value, low=None, high=None, bound=""):
    return SizeRatio(size=1, ratio=value, low=low, high=high, bound=bound)


NOTHING = found(None)
PAIRS = [
    pair("a", found(2.0, 1.5, 2.5), found(3.0, 2.0, 4.0), found(None, 5.0, bound="above")),
    pair("b", found(1.5, 1.2, 1.9), NOTHING, found(None, high=0.5, bound="below"), rho=1.5, interval=(1.2, 1.9)),
    pair("c", NOTHING, NOTHING, NOTHING),
    pair("a", found(0.1, 0.05, 0.2), quantum="q · frozen"),
]


def test_pairs_of_which_nothing_is_known_and_controls_are_not_drawn():
    assert [one.classical for one in shown_ratios(PAIRS, ["q · frozen"])] == ["a", "b"]


def test_the_figure_of_ratios_has_every_ratio_that_is_known_and_an_arrow_for_each_bound():
    figure = ratio_figure(shown_ratios(PAIRS, ["q · frozen"]))
    (axes,) = figure.axes
    points = [float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
    assert points == [2.0, 3.0, 1.5]
    assert sum(one.arrow_patch is not None for one in axes.texts) == 2
    assert [one.get_text() for one in axes.get_yticklabels()] == ["a / q", "b / q"]
    assert svg(figure) == svg(ratio_figure(shown_ratios(PAIRS, ["q · frozen"])))


def curve(family, quantum, start=3.0):
    losses = tuple((start - at, start - at + 0.1) for at in range(3))
    return Curve(family=family, sizes=SIZES, seeds=(0, 1), losses=losses, quantum=quantum)


def test_an_arrow_leads_from_each_size_to_the_family_that_needs_least():
    curves = [curve("q", True), curve("a", False), curve("b", False)]
    assert [(one.size, one.ratio) for _, one in nearest_ratios(curves, PAIRS)] == [(100.0, 1.5), (200.0, 3.0)]
    left = capacity_figure(curves, {}, "nll", "parameters", "nats", PAIRS).axes[0]
    arrows = [one for one in left.texts if one.arrow_patch is not None]
    assert [one.xyann[0] for one in arrows] == [100.0, 200.0] and [one.xy[0] for one in arrows] == [150.0, 600.0]
    assert np.allclose([one.xy[1] for one in arrows], [3.05, 2.05])
    assert sum(one.get_text().startswith("×") for one in left.texts) == 1
    assert not capacity_figure(curves, {}, "nll", "parameters", "nats").axes[0].texts


def test_budget_curves_are_the_expected_best_and_fall():
    rng = np.random.default_rng(3)
    losses = rng.normal(size=6)
    records = [trial(k, loss, loss) for k, loss in enumerate(losses)]
    records += [trial(k, loss + 1, loss + 1, "b") for k, loss in enumerate(losses[:1])]
    shown = curves_of(families(records, "nll"))
    assert [one.family for one in shown] == ["a"]
    drawn = budget_figure(shown, "nll").axes[0].lines[0].get_ydata()
    assert np.allclose(drawn, [shown[0].best_of(k).value for k in range(1, 7)])
    assert np.all(np.diff(drawn) <= 0) and np.isclose(drawn[0], losses.mean()) and np.isclose(drawn[-1], losses.min())


def test_a_spectrum_is_drawn_as_medians_with_a_line_where_nothing_is_stretched():
    rng = np.random.default_rng(0)
    values = {"a": np.sort(rng.lognormal(size=(50, 4)))[:, ::-1], "lost": np.zeros((50, 4))}
    axes = spectrum_figure(values).axes[0]
    assert np.allclose(axes.lines[0].get_ydata(), np.median(values["a"], axis=0))
    assert np.all(axes.lines[1].get_ydata() > 0) and axes.get_yscale() == "log"
