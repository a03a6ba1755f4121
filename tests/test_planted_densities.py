"""The campaign of planted densities: their masses are what is said, and false passes are told."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "validation"
sys.path.insert(0, str(FOLDER))
laws, campaign, audits = map(importlib.import_module, ("_planted_laws", "planted_densities", "_planted_audit"))
DIM = 2


def test_there_are_two_hundred_and_each_is_another():
    planted = list(laws.all_planted())
    assert len(planted) >= 200 and {one.visited for one in planted} == {True, False}
    assert all(one.own.shape == (laws.OWN, one.dim) and np.isfinite(one.own).all() for one in planted)


@pytest.mark.parametrize("kind", sorted(laws.DEFECTS))
def test_a_defect_integrates_to_one_and_its_rows_are_of_it(kind):
    """The entropy of normals that do not overlap is known; minus the mean log-density at rows of them estimates it."""
    rng = np.random.default_rng(0)
    defect = laws.DEFECTS[kind](DIM, rng)
    rows = defect.draw(laws.base(DIM)[1](20_000, rng))
    expected = {
        "lattice": 2.8379 + 2 * np.log(0.01),
        "narrow ridge": 2.8379 + np.log(1e-5),
        "tiny mode": 2.8379 + 2 * np.log(0.02),
        "far tail": 2.8379 + 2 * np.log(300),
        "out of reach": 2.8379 + 2 * np.log(10),
        "atom": 2.8379 + 2 * np.log(1e-7),
    }.get(kind, 2.8379 + 2 * np.log(1e-4) + np.log(30 if kind.startswith("30") else 1000))
    assert -defect.log_density(rows).mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("kind", sorted(laws.RIGHT))
def test_a_right_density_is_one(kind):
    """By importance sampling from a Student t that covers each of them, without any of what is tested."""
    rng = np.random.default_rng(1)
    log_density, draw = laws.RIGHT[kind](DIM)
    wide = 4 * rng.standard_t(2, size=(400_000, DIM))
    log_wide = laws.stats.t.logpdf(wide / 4, df=2).sum(1) - DIM * np.log(4)
    with np.errstate(divide="ignore"):
        weights = np.exp(log_density(wide) - log_wide)
    assert weights.mean() == pytest.approx(1, abs=5 * weights.std() / len(weights) ** 0.5)
    assert np.isfinite(log_density(draw(100, rng))).all()


def audit(verdict, mass=1.5, visited=True, kind="atom"):
    return {"kind": kind, "mass": mass, "visited": visited, "dim": 2, "verdict": verdict}


def test_a_false_pass_where_own_rows_are_is_missed_and_elsewhere_it_is_counted():
    right = audit("pass", 1.0, kind="right: box")
    z = {"law": "box", "z": [0.1, -0.1]}
    text, missed = campaign.report([audit("pass"), right], [audit("undecided"), audit("pass", visited=False), right, z])
    assert missed == [] and "| atom | yes | 1.5 | 1 | 1/1 | 0/1 | – |" in text and "| box | – | 0.00 ± 0.07 |" in text
    assert "no own row in the defect | 0/0" not in text and "| 1/1 |" in text
    assert campaign.report([], [audit("pass"), right])[1] == ["atom, mass 1.5, 2 features, passes"]
    assert campaign.report([], [audit("pass", 1.01), audit("fail", 1.0, kind="right: box")])[1]


def test_a_model_that_says_falsely_that_it_is_normalised_is_counted_apart():
    right = audit("pass", 1.0, kind="right: box") | {"stated": "pass"}
    lying = audit("undecided") | {"stated": "pass"}
    text, missed = campaign.report([], [lying, right])
    assert missed == ["atom, mass 1.5, 2 features, stated, passes"]
    assert "| atom | yes | 1.5 | 1 | – | 0/1 | 1/1 |" in text


@pytest.mark.parametrize("stated", [False, True])
def test_a_planted_density_is_found_from_end_to_end(stated):
    """A third of the mass in 1000 spikes in which a third of the model's rows lie, and a right one beside it."""
    planted = list(laws.all_planted())
    wrong = next(
        one
        for one in planted
        if one.kind == "1000 spikes on the data" and one.mass == 1.5 and one.visited and one.dim == 2
    )
    right = next(one for one in planted if one.kind.startswith("right") and one.dim == 2)
    assert audits.audit(wrong, stated=stated)["verdict"] != "pass"
    assert audits.audit(right, stated=stated)["verdict"] == "pass"
