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
from qinn_bench.capacity import cost
from qinn_bench.capacity.cost import StepCost
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.metrics.roc import auc
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.patch_circuit import ENTANGLERS, amplitude_angles, in_patches, preparation
from reference_models._parts.trash import READOUTS, REFERENCES, fidelity_circuit, trash_of, with_references
from reference_models.quantum_autoencoders import qae, sqae

torch.set_num_threads(1)

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


@pytest.mark.parametrize(("uploads", "expected"), [(1, 288), (2, 576), (3, 864), (5, 1440)])
def test_the_autoencoder_of_images_has_the_published_counts(uploads, expected):
    model = made("sqae", (1, 12, 12), uploads=uploads)
    assert count_parameters(model).total == expected and model.circuit.circuit.n_wires == 9
    assert made("sqae", (1, 12, 12), uploads=uploads, readout="swap").circuit.circuit.n_wires == 15


@pytest.mark.parametrize(("pixels", "patch"), [(12, 4), (20, 6), (40, 13)])
def test_larger_images_are_on_nine_wires_by_larger_patches(pixels, patch):
    model = made("sqae", (1, pixels, pixels), patch=patch, uploads=1)
    assert model.circuit.circuit.n_wires == 9 and count_parameters(model).total == 2 * 9 * patch**2


@pytest.mark.parametrize("encoding", sqae.ENCODINGS)
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("entangler", ENTANGLERS)
def test_every_form_of_the_autoencoder_of_images_agrees_with_its_swap_test(encoding, reference, entangler):
    knobs = {"encoding": encoding, "reference": reference, "entangler": entangler, "latent": 2, "uploads": 2}
    exact, swap = (made("sqae", (1, 6, 6), patch=3, readout=readout, **knobs) for readout in READOUTS)
    swap.load_state_dict(exact.state_dict())
    x = rows(4, 1, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(swap.score(x), exact.score(x), rtol=0, atol=1e-12)
        assert bool((exact.score(x) > 0).all()) and bool((exact.score(x) < 1).all())


@pytest.mark.skipif(not native.AVAILABLE, reason="the compiled simulator was not built")
@pytest.mark.parametrize("encoding", sqae.ENCODINGS)
def test_the_engine_agrees_with_torch_on_images(encoding):
    one, two = (made("sqae", (1, 12, 12), backend=backend, encoding=encoding) for backend in ("torch", "native"))
    batch, losses = Batch(rows(3, 1, 12, 12)), []
    for model in (one, two):
        losses.append(model.loss(batch, 0.0, torch_rng("loss")))
        losses[-1].backward()
    torch.testing.assert_close(*losses, rtol=0, atol=1e-12)
    torch.testing.assert_close(one.circuit.weights.grad, two.circuit.weights.grad, rtol=0, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 17), seed=st.integers(0, 99), empty=st.booleans())
def test_prepared_amplitudes_are_in_the_ratio_of_the_values(n, seed, empty):
    wires = max(1, (n - 1).bit_length())
    values = torch.randn(3, n, generator=torch_rng("amplitudes", seed), dtype=torch.float64)
    values[0] *= 1 - int(empty)
    circuit = Circuit(wires, 2**wires - 1, (), tuple(preparation(wires)))
    state = statevector.state(circuit, amplitude_angles(values, wires), torch.zeros(0, dtype=torch.float64))
    expected = torch.nn.functional.pad(values, (0, 2**wires - n))
    expected[0, 0] += empty
    expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(state, expected.to(state.dtype), rtol=0, atol=1e-12)


def test_patches_go_row_by_row_and_keep_their_pixels():
    image = rows(2, 1, 12, 12)
    by_hand = [image[:, 0, 4 * a : 4 * a + 4, 4 * b : 4 * b + 4].flatten(1) for a in range(3) for b in range(3)]
    assert torch.equal(in_patches(image, 4), torch.stack(by_hand, 1))
    colours = rows(2, 3, 11, 9)
    columns = torch.nn.functional.unfold(colours, 3, stride=2).transpose(1, 2)
    assert torch.equal(in_patches(colours, 3, 2), columns)


@pytest.mark.skipif(not native.AVAILABLE, reason="the compiled simulator was not built")
@pytest.mark.parametrize(("uploads", "pairs"), [(1, 4), (2, 9)])
def test_turns_about_one_axis_in_a_row_share_their_shifts(uploads, pairs):
    """Of 16 turns ZYZ ZYZ ... a wire and upload, nothing sees the very first and the last two; five pairs are ZZ."""
    model = made("sqae", (1, 8, 8), latent=1, uploads=uploads, backend="native")
    found = cost.jacobian_rank(model, Batch(rows(400, 1, 8, 8)), StepCost(0, 1), 1)
    counted = count_parameters(model)
    assert (counted.total, counted.live) == (128 * uploads, 128 * uploads - 4 * 6)
    assert found.rank == counted.live - 4 * pairs


def test_drawn_references_are_those_of_the_seed():
    one, two, other = (made("sqae", (1, 8, 8), seed, reference="random", latent=2) for seed in (1, 1, 2))
    assert one.circuit.circuit == two.circuit.circuit != other.circuit.circuit


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"latent": 9}, "0 trash wires of 9"),
        ({"patch": 13}, "a patch of 13 x 13 pixels"),
        ({"encoding": "wave"}, "there are: patch, angle, amplitude"),
        ({"entangler": "star"}, "there are: ring, chain, all"),
        ({"reference": "one"}, "there are: zero, random, learned"),
    ],
)
def test_an_autoencoder_of_images_that_does_not_exist_is_refused(knobs, says):
    with pytest.raises(Refused, match=says):
        made("sqae", (1, 12, 12), **knobs)


def test_the_hybrid_has_the_published_counts():
    counted = count_parameters(made("hae", (1, 12, 12)))
    assert (counted.classical, counted.quantum, counted.blind) == (2365, 576, 64)
    assert made("hae", (1, 12, 12)).circuit.circuit.n_wires == 16


def test_the_hybrid_rebuilds_what_it_scores():
    model, x = made("hae", (1, 8, 8), uploads=1), rows(5, 1, 8, 8)
    with torch.no_grad():
        rebuilt = model.reconstruct(x)
        by_hand = -(x * rebuilt.log() + (1 - x) * (1 - rebuilt).log()).flatten(1).mean(1)
        torch.testing.assert_close(model.score(x), by_hand, rtol=0, atol=1e-10)
    with pytest.raises(Refused, match="at least 6 x 6 pixels, not of 5 x 9"):
        made("hae", (1, 5, 9))


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
