"""The pictures of the concept pages are drawn by their script, and what the pages say of them is so."""

from __future__ import annotations

import importlib.util
import re
from math import erf
from pathlib import Path

import numpy as np
import pytest

from qinn_bench.statistics.budget_curves import expected_best

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("pictures", ROOT / "docs/site/pictures.py")
pictures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pictures)


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_every_picture_is_drawn_and_stands_on_its_page(name):
    assert pictures.PICTURES[name]().axes
    page = (ROOT / "docs" / f"{name}.md").read_text("utf8")
    assert f"](figures/concept_{name}.png)" in page
    assert (ROOT / f"docs/figures/concept_{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_mass_of_the_page_is_that_of_the_picture():
    *_, mass = pictures.folded_mass()
    exact = 2 * (0.5 + 0.5 * erf(pictures.FOLD / 2**0.5))
    assert mass == pytest.approx(exact, abs=2e-3)
    said = re.search(
        r"integrates to ([\d.]+), so that its negative log-likelihood is ([\d.]+) nats", page_of("certificate")
    )
    assert (f"{mass:.2f}", f"{np.log(mass):.2f}") == said.groups()


def page_of(name):
    return " ".join((ROOT / "docs" / f"{name}.md").read_text("utf8").split())


def test_the_families_of_the_picture_of_tuning_cross_at_eight_trials():
    easy, hard = (line.get_ydata() for line in pictures.tuning().axes[0].lines)
    assert all(easy[:8] <= hard[:8]) and all(easy[8:] > hard[8:]) and easy[0] == pytest.approx(1.15)
    assert expected_best(np.array([1.0, 2.0]), 1, higher=False) == 1.5


def test_the_controls_of_the_picture_are_those_of_the_page():
    labels = [one.get_text() for one in pictures.nulls().axes[0].get_yticklabels()]
    assert labels[0] == "as it is" and set(labels[1:]) == {"frozen", "unentangled", "fourier", "tanh"}
