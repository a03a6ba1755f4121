"""Clusters by medians: the distance circuit against distances, medians against their definition, and the scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from reference_models._parts.medians import euclidean, geometric_median, k_medians, median_of

torch.set_num_threads(1)
PLACES = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def made(name: str, dim: int, **knobs: object):
    torch.manual_seed(0)
    more = {"backend": "torch"} if name.startswith("quantum") else {}
    return registry.make("model", Use(name=name, knobs=knobs), dim, **more).double()


def drawn(*names: str, rows: int = 40, dim: int = 6) -> torch.Tensor:
    return torch.randn(rows, dim, generator=torch_rng(*names), dtype=torch.float64)


@pytest.mark.parametrize("numbers", [1, 2, 3, 5, 8])
def test_the_distance_circuit_measures_euclidean_distances(numbers):
    model = made("quantum_k_medians", numbers, parts=1, rows=10)
    x, y = drawn("x", rows=7, dim=numbers), drawn("y", rows=4, dim=numbers)
    assert torch.allclose(model.distances(x, y), torch.cdist(x, y), rtol=0, atol=1e-7)
    assert model.distances(x, x).diagonal().abs().max() < 1e-6


def test_rows_of_zeros_are_at_no_distance_from_each_other():
    model = made("quantum_k_medians", 4, parts=1, rows=10)
    zeros = torch.zeros(2, 4, dtype=torch.float64)
    assert model.distances(zeros, zeros).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@settings(max_examples=30, deadline=None)
@given(PLACES)
def test_no_place_is_nearer_to_all_points_than_their_geometric_median(places):
    points = torch.tensor(places, dtype=torch.float64)

    def total(place):
        return float(np.hypot(*(points.numpy() - place).T).sum())

    median = geometric_median(points)
    others = [total(point) for point in points.numpy()]
    others.append(minimize(total, points.mean(0).numpy(), method="Nelder-Mead", options={"xatol": 1e-9}).fun)
    assert total(median.numpy()) <= min(others) + 1e-3


def test_medians_have_known_values():
    corners = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    assert torch.allclose(geometric_median(corners), torch.tensor([1.0, 1.0]))
    line = torch.tensor([[0.0], [1.0], [100.0]])
    assert geometric_median(line) == pytest.approx(1.0, abs=1e-3)
    assert median_of(line, "component").tolist() == [1.0]
    with pytest.raises(Refused, match="there are: geometric, component"):
        median_of(line, "mean")


@pytest.mark.parametrize("kind", ["geometric", "component"])
def test_two_heaps_are_found(kind):
    heaps = torch.cat((drawn("low", dim=2) * 0.1, 10 + drawn("high", dim=2) * 0.1))
    centres = k_medians(heaps, heaps[[0, 79]], kind)
    assert torch.allclose(centres, torch.tensor([[0.0, 0.0], [10.0, 10.0]]).double(), atol=0.1)


def test_a_centre_without_points_stays():
    points, far = torch.zeros(3, 1), torch.tensor([[0.0], [50.0]])
    assert k_medians(points, far, "geometric").tolist() == [[0.0], [50.0]]


def fitted(name: str, train: torch.Tensor, **knobs: object):
    model = made(name, train.shape[1], **knobs)
    model.initialise(Batch(train), torch_rng("centres"))
    return model


def test_exact_quantum_medians_are_classical_ones_with_the_same_median():
    rows, new = drawn("train", dim=8), drawn("new", rows=15, dim=8)
    quantum = fitted("quantum_k_medians", rows, rows=30)
    twin = fitted("k_medians", rows, rows=30, median="geometric")
    assert torch.allclose(quantum.centres, twin.centres, atol=1e-4)
    assert torch.allclose(quantum.score(new), twin.score(new), atol=1e-4)


def test_a_row_counts_by_its_less_anomalous_part_and_by_all_centres():
    model = fitted("k_medians", drawn("train", dim=4), rows=30)
    model.centres.copy_(torch.tensor([[0.0, 0.0], [0.0, 8.0]]))
    rows = torch.tensor([[6.0, 0.0, 0.0, 4.0], [6.0, 0.0, 6.0, 8.0]]).double()
    assert model.score(rows).tolist() == pytest.approx([32**0.5, 136**0.5])
    turned = rows[:, [2, 3, 0, 1]]
    assert torch.equal(model.score(turned), model.score(rows))
    assert euclidean(rows, rows).diagonal().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["k_medians", "quantum_k_medians"])
def test_nothing_is_trained_and_what_cannot_be_is_refused(name):
    assert count_parameters(made(name, 8)).total == 0
    for knobs, words in (
        ({"parts": 3}, "divides 8"),
        ({"clusters": 0}, "0 clusters"),
        ({"clusters": 99, "rows": 9}, "99"),
    ):
        with pytest.raises(Refused, match=words):
            made(name, 8, **knobs)
    with pytest.raises(Refused, match="3 clusters of 2 points"):
        fitted(name, drawn("few", rows=1, dim=8), clusters=3)
