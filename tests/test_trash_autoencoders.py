"""Autoencoders that are trained on their trash: SWAP tests against probabilities, references, published counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.metrics.roc import auc
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.trash import READOUTS, REFERENCES, fidelity_circuit, trash_of, with_references
from reference_models.quantum_autoencoders import qae

EVENTS = Path(__file__).parents[2] / "shared" / "data"
FEATURES = {"MET": 1000.0, "b1pt": 1000.0, "lep1pt": 1000.0, "lep2pt": 900.0}
"""The features in the order of the wires, and what goes to pi."""


def made(name: str, shape: int | tuple[int, ...], seed: int = 0, backend: str = "torch", **knobs: object):
    torch.manual_seed(seed)
    return registry.make("model", Use(name=name, knobs=knobs), shape, backend=backend).double()


def rows(n: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.rand(n, *shape, generator=torch_rng("rows", seed), dtype=torch.float64)


@pytest.mark.parametrize("n", [2, 4, 7])
@pytest.mark.parametrize("trash", [1, 3])
def test_the_autoencoder_of_features_has_one_parameter_a_feature_and_reads_some(n, trash):
    trash = min(trash, n - 1)
    model, x = made("qae", n, trash=trash), rows(20, n).requires_grad_()
    counted = count_parameters(model)
    assert (counted.total, counted.live) == (n, trash + 1)
    model.score(x).sum().backward()
    read = x.grad.abs().amax(0) > 1e-12
    assert read.tolist() == [False] * (n - trash - 1) + [True] * (trash + 1)
    assert count_parameters(made("qae", n, trash=trash, trim=True)).total == trash + 1


@settings(max_examples=15, deadline=None)
@given(n=st.integers(2, 4), data=st.data(), kind=st.sampled_from(REFERENCES), seed=st.integers(0, 99))
def test_a_swap_test_is_the_probability_of_zeros(n, data, kind, seed):
    """F1, for references in |0>, drawn and learned."""
    trash = trash_of(n, data.draw(st.integers(1, n - 1)))
    torch.manual_seed(seed)
    encoder, references = with_references(qae.encoder(n), kind, trash)
    exact, swap = (fidelity_circuit(encoder, trash, references, readout) for readout in READOUTS)
    assert swap.n_wires == n + len(trash) + 1 and exact.n_wires == n
    x = 3 * rows(10, n, seed=seed)
    weights = 3 * torch.rand(encoder.n_weights, generator=torch_rng("weights", seed), dtype=torch.float64)
    found, expected = (statevector.run(circuit, x, weights) for circuit in (exact, swap))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_reference_that_is_the_state_of_the_trash_has_fidelity_one():
    encoder, references = with_references(qae.encoder(3), "learned", (2,))
    assert encoder.n_weights == 4
    plain = fidelity_circuit(encoder, (2,), references, "exact")
    weights = torch.tensor([0.0, 0.0, 0.0, 0.7], dtype=torch.float64)
    x = torch.tensor([[0.0, 0.0, 0.7]], dtype=torch.float64)
    assert float(statevector.run(plain, x, weights)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("trash", "readout", "says"), [(4, "exact", "4 trash wires of 4"), (1, "z", "exact, swap")])
def test_what_is_no_autoencoder_is_refused(trash, readout, says):
    with pytest.raises(Refused, match=says):
        made("qae", 4, trash=trash, readout=readout)
    with pytest.raises(Refused, match="zero, random, learned"):
        with_references(qae.encoder(2), "one", (1,))


def events(name: str) -> Tensor:
    """The features of a published file as angles, without the events above a maximum."""
    with (EVENTS / name).open(encoding="utf8") as file:
        columns = [word.strip() for word in file.readline().split(",")]
        table = np.loadtxt(file, delimiter=",")
    kept = table[:, [columns.index(feature) for feature in FEATURES]] / np.array(list(FEATURES.values()))
    return torch.as_tensor(np.pi * kept[(kept <= 1).all(axis=1)])


@pytest.mark.slow
@pytest.mark.skipif(not (EVENTS / "qae_background.csv").is_file(), reason="the published events are not here")
@pytest.mark.parametrize(("trash", "expected"), [(1, 0.903), (2, 0.963), (3, 0.976)])
def test_published_events_are_tagged_as_an_independent_code_does(trash, expected):
    background, signal = events("qae_background.csv"), events("qae_signal_mH2500.csv")
    train, valid, test = (Batch(part) for part in background[:50_000].split([30_000, 5_000, 15_000]))
    budget = Budget(steps=400, batch=64, learning_rate=0.05, check_every=50, schedule="constant", precision="float64")
    trained = []
    for seed in range(3):
        model = made("qae", 4, seed, "native" if native.AVAILABLE else "torch", trash=trash)
        outcome = fit(model, train, valid, budget, ("qae", seed))
        trained.append((outcome.training.best_loss, seed, model))
    best = min(trained)[2]
    with torch.no_grad():
        found = auc(best.score(signal).numpy(), best.score(test.rows).numpy())
    assert (len(signal), len(test)) == (9453, 15_000)
    assert found.value == pytest.approx(expected, abs=0.003)
