"""IQP Born machines and their bit-flip twin against states, kernels and slow sums that are obvious."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from qinn_bench.bit_rows import exact_mmd, state_numbers, states_of, word_chance
from qinn_bench.contracts import Batch
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Probabilities, WeightBlock
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused
from reference_models._parts import z_words
from reference_models._parts.bit_cells import bits_of, places_of_bits
from reference_models._parts.bit_machine import walsh_hadamard
from reference_models._parts.cells import Cells
from reference_models._parts.word_mmd import WordMMD, data_means, square_of_sampled, squared_discrepancy
from reference_models._parts.z_words import ZWordGates, even_bits, local_gates, packed, unpacked
from reference_models.generators import bitflip_twin
from reference_models.quantum_generators import iqp_born

ALL = torch.tensor(states_of(np.arange(16), 4))
"""Every word, and every sample, of four wires."""


def drawn(build, wires=4, **knobs):
    """A machine with angles that are drawn."""
    model = build(wires, order=3, draws=4, squash="normal", **knobs).double()
    with torch.no_grad():
        model.angles.copy_(torch.randn(len(model.angles), generator=torch_rng("angles", wires)))
    return model


def overlaps(gates, words):
    """Numpy twin: 1 where a word and a gate share an odd number of wires, ``(words, gates)``."""
    return np.array([[sum(int(word[w]) for w in gate) % 2 for gate in gates] for word in words])


def slow_phases(gates, angles, words, samples):
    """Numpy twin of the kernel: gate by gate, word by word, sample by sample."""
    odd = overlaps(gates, words)
    phases = np.zeros((len(words), len(samples)))
    for a, s, j in product(range(len(words)), range(len(samples)), range(len(gates))):
        sign = (-1) ** sum(int(samples[s][w]) for w in gates[j])
        phases[a, s] += 2 * angles[j] * odd[a, j] * sign
    return phases


def test_phases_are_those_of_a_slow_sum():
    rng, gates = torch_rng("phases"), local_gates(7, 3)
    angles = torch.randn(len(gates), generator=rng, dtype=torch.float64).requires_grad_()
    words = (torch.rand(5, 7, generator=rng) < 0.4).to(torch.uint8)
    samples = even_bits(7, 9, rng)
    slow = slow_phases(gates, angles.detach().numpy(), words.numpy(), unpacked(samples, 9).T.numpy())
    np.testing.assert_allclose(ZWordGates(7, gates).phases(angles, words, samples, 9).detach(), slow, atol=1e-12)


def named(name):
    """Gates whose phases are those of one instruction set, and of torch."""
    gates = ZWordGates(70, (*local_gates(70, 2), (1, 2, 3), tuple(range(66))))
    gates._compiled = z_words._kernel.ZGates(70, gates.starts, gates.flat, name)
    return gates


@pytest.mark.skipif(not z_words.AVAILABLE, reason="the compiled simulator was not built")
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5])
@pytest.mark.parametrize("samples", [1, 63, 64, 130])
def test_compiled_phases_and_gradients_are_the_twins(share, samples):
    rng = torch_rng("compiled", samples)
    words = (torch.rand(20, 70, generator=rng) < share).to(torch.uint8)
    bits = even_bits(70, samples, rng)
    cotangents = torch.randn(20, samples, generator=rng, dtype=torch.float64)
    for name in z_words._kernel.instruction_sets():
        gates = named(name)
        angles = torch.randn(len(gates.gates), generator=torch_rng("angles"), dtype=torch.float64).requires_grad_()
        found = [f(angles, words, bits, samples) for f in (gates.phases, gates.twin)]
        torch.testing.assert_close(*found, atol=1e-10, rtol=0)
        torch.testing.assert_close(*(torch.autograd.grad(f, angles, cotangents)[0] for f in found), atol=1e-9, rtol=0)
        single = gates.phases(angles.float(), words, bits, samples)
        torch.testing.assert_close(single.double(), found[1], atol=2e-3, rtol=0)


def test_the_gradient_is_that_of_differences():
    gates, rng = ZWordGates(5, local_gates(5, 3)), torch_rng("differences")
    words, samples = (torch.rand(4, 5, generator=rng) < 0.5).to(torch.uint8), even_bits(5, 70, rng)
    angles = torch.randn(len(gates.gates), generator=rng, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: gates.phases(a, words, samples, 70).cos().mean(1), angles)


def test_packing_is_undone_and_even_samples_are_even():
    bits = (torch.rand(3, 130, generator=torch_rng("packed")) < 0.5).to(torch.uint8)
    assert torch.equal(unpacked(packed(bits), 130), bits)
    even = unpacked(even_bits(9, 1000, torch_rng("even"), even=True), 1000)
    assert int((even.sum(0) % 2).sum()) == 0 and abs(float(even.double().mean()) - 0.5) < 0.02
    assert not torch.equal(even_bits(9, 64, torch_rng("one")), even_bits(9, 64, torch_rng("two")))


def circuit_of(wires, gates, flip):
    """The circuit gate by gate: ladders of CNOT about an RZ for a word of Z."""
    made = [Gate("H", (0,)), *(Gate("CNOT", (0, w)) for w in range(1, wires))] if flip else []
    made += [Gate("H", (w,)) for w in range(wires)]
    for j, gate in enumerate(gates):
        ladder = [Gate("CNOT", pair) for pair in pairwise(gate)]
        made += [*ladder, Gate("RZ", (gate[-1],), (Angle(weight=j, factor=-2.0),)), *reversed(ladder)]
    made += [Gate("H", (w,)) for w in range(wires)]
    return Circuit(
        wires, 0, (WeightBlock("angles", (len(gates),)),), tuple(made), (Probabilities(tuple(range(wires))),)
    )


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("wires", [4, 6])
def test_probabilities_are_those_of_the_simulator(wires, flip):
    model = drawn(iqp_born.build, wires, spin_flip=flip)
    layer = CircuitLayer(circuit_of(wires, model.gates.gates, flip), "torch").double()
    layer.weights.data.copy_(model.angles.data)
    torch.testing.assert_close(model.exact(), layer(torch.zeros(1, 0, dtype=torch.float64))[0], atol=1e-12, rtol=0)


def means_of(table):
    """The mean of every word of Z under a table of probabilities (F30, F31)."""
    return walsh_hadamard(table)


@pytest.mark.parametrize("flip", [False, True])
def test_means_of_words_are_those_of_the_state(flip):
    model = drawn(iqp_born.build, spin_flip=flip)
    cosines = model.gates.phases(model.angles, ALL, packed(ALL.T), 16).cos()
    odd = ALL.sum(1) % 2
    # The published weights of samples: 2 - (|a| mod 2) - 2 (|z| mod 2) with a flip of all bits (F33).
    weights = 2 - odd[:, None].double() - 2 * odd[None].double() if flip else torch.ones(16, 16)
    torch.testing.assert_close((cosines * weights).mean(1), means_of(model.exact()), atol=1e-12, rtol=0)
    if flip:  # Ours: even samples alone, and no mean of odd words.
        ours = cosines[:, odd == 0].mean(1) * (1 - odd.double())
        torch.testing.assert_close(ours, means_of(model.exact()), atol=1e-12, rtol=0)


@pytest.mark.parametrize("flip", [False, True])
def test_the_twin_flips_by_chance(flip):
    model = drawn(bitflip_twin.build, spin_flip=flip)
    table = torch.zeros(16, dtype=torch.float64)
    table[0] = 1
    for mask, chance in zip(model.masks().tolist(), model.angles.sin().square().tolist(), strict=True):
        table = (1 - chance) * table + chance * table[torch.arange(16) ^ mask]
    table = 0.5 * (table + table.flip(0)) if flip else table
    torch.testing.assert_close(model.exact(), table, atol=1e-12, rtol=0)
    even = 1 - ALL.sum(1) % 2 if flip else 1
    mean = model.word_means(ALL, torch_rng("none"))[0] * even
    torch.testing.assert_close(mean, means_of(table), atol=1e-9, rtol=0)


def test_the_loss_is_the_discrepancy_on_average():
    sigma, rng = 1.3, np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(16)), rng.dirichlet(np.ones(16))
    states = ALL.numpy().astype(float)
    kernel = np.exp(-0.5 * np.abs(states[:, None] - states[None]).sum(2) / sigma**2)
    chance = word_chance(sigma)
    weights = np.prod(np.where(ALL.numpy() == 1, chance, 1 - chance), axis=1)
    by_words = weights @ (means_of(torch.tensor(p - q)).numpy() ** 2)
    np.testing.assert_allclose([by_words, exact_mmd(p, q, sigma)], (p - q) @ kernel @ (p - q), atol=1e-12)


def test_estimates_have_no_bias():
    rng = torch_rng("bias")
    truth, mean = 0.3, -0.2
    signs = 1 - 2 * (torch.rand(20_000, 5, generator=rng) < (1 - truth) / 2).double()
    values = mean + torch.randn(20_000, 4, generator=rng, dtype=torch.float64)
    found = squared_discrepancy(values.mean(1), square_of_sampled(values), signs.mean(1), 5)
    assert abs(float(found.mean()) - (mean - truth) ** 2) < 5 * float(found.std()) / 20_000**0.5


def test_words_have_the_weights_that_are_asked_for():
    words = WordMMD(words=4000, samples=2, light=2.0, heavy=6.0).drawn(16, torch_rng("words")).double().sum(1)
    assert abs(float(words[::2].mean()) - 2) < 0.15 and abs(float(words[1::2].mean()) - 6) < 0.2
    bits = (torch.rand(9, 16, generator=torch_rng("bits")) < 0.5).to(torch.uint8)
    few = WordMMD(words=6, samples=2, light=2.0, heavy=6.0).drawn(16, torch_rng("few"))
    slow = [np.mean([(-1) ** int((b & w).sum()) for b in bits]) for w in few]
    np.testing.assert_allclose(data_means(bits, few, torch.zeros(1)), slow, atol=1e-6)


@pytest.mark.parametrize("build", [iqp_born.build, bitflip_twin.build])
def test_gates_on_one_wire_start_at_the_marginals(build):
    bits = (torch.rand(500, 3, generator=torch_rng("marginals")) < torch.tensor([0.1, 0.5, 0.8])).long()
    model = build(3, order=1, noise=0.0).double()
    model.initialise(Batch(2.0 * bits - 1), torch_rng("start"))
    states = torch.tensor(states_of(np.arange(8), 3)).double()
    torch.testing.assert_close(model.exact() @ states, bits.double().mean(0), atol=1e-12, rtol=0)


def test_bits_of_features_are_the_numbers_of_cells():
    cells = Cells(3, 2, gray=True)
    x = torch.randn(50, 3, generator=torch_rng("cells"))
    bits = bits_of(cells, cells.places(x))
    assert torch.equal(places_of_bits(cells, bits), cells.places(x))
    assert state_numbers(bits.numpy()).tolist() == cells.numbers(cells.places(x)).tolist()


def test_large_circuits_are_trained_and_refuse_to_draw():
    model = iqp_born.build(40, draws=6)
    rows = torch.randn(64, 40, generator=torch_rng("large"))
    model.initialise(Batch(rows), torch_rng("start"))
    model.loss(Batch(rows), 0.0, torch_rng("loss")).backward()
    assert bool(model.angles.grad.abs().gt(0).any())
    with pytest.raises(Refused, match=r"40 wires .* 24 wires at most"):
        model.sample(1, torch_rng("draw"))


def test_large_twins_draw_what_small_ones_do():
    model = drawn(bitflip_twin.build, spin_flip=True)
    large = bitflip_twin.LargeBitflip(
        model.cells, model.gates.gates, model.of_loss, flip=True, start=0.0, noise=0.0
    ).double()
    large.load_state_dict(model.state_dict())
    numbers = model.cells.numbers(model.cells.places(large.sample(40_000, torch_rng("flips"))))
    shares = torch.bincount(numbers, minlength=16) / 40_000
    assert float((shares - model.exact().detach()).abs().max()) < 0.012


def test_training_finds_a_law_that_interferes():
    bits = torch.tensor([[0, 0], [1, 1]]).repeat(256, 1)
    model = iqp_born.build(2, draws=8)
    model.initialise(Batch(2.0 * bits - 1), torch_rng("start"))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(150):
        optimiser.zero_grad()
        model.loss(Batch(2.0 * bits - 1), 0.0, torch_rng("step", step)).backward()
        optimiser.step()
    found = model.exact().detach()
    assert float(found[0] + found[3]) > 0.97 and abs(float(found[0]) - 0.5) < 0.1


def test_gates_that_cannot_be_are_refused():
    with pytest.raises(Refused, match="1 to 3 wires"):
        local_gates(3, 4)
    with pytest.raises(Refused, match="at most 5000000"):
        local_gates(1000, 3)
    with pytest.raises(Refused, match="a word or more"):
        WordMMD(words=1, samples=2, light=2.0, heavy=6.0)
    assert len(set(local_gates(16, 3, 200))) == 200


def test_ancillas_are_summed_over_and_no_word_is_on_them():
    model = drawn(iqp_born.build, wires=3, ancillas=2, every=True)
    assert len(model.angles) == 5 + 10 + 10 and len(model.probabilities()) == 8
    words = torch.tensor(states_of(np.arange(8), 3))
    signs = 1 - 2 * ((words.double() @ words.double().T) % 2)
    expected = signs @ model.exact()
    model.of_loss = WordMMD(8, 4096, 2.0, 6.0)
    found = model.told_means(words, torch_rng("told"))[0].detach()
    assert torch.allclose(found, expected.detach(), atol=0.06)
    with pytest.raises(Refused, match="ancillas=1, spin_flip=True"):
        iqp_born.build(3, ancillas=1, spin_flip=True)


@pytest.mark.parametrize("module", [iqp_born, bitflip_twin])
def test_every_gate_is_taken_whatever_the_number_that_is_named(module):
    assert len(module.build(16, order=4, gates=100).angles) == 100
    assert len(module.build(16, order=4, gates=100, every=True).angles) == 2516


def test_a_flip_of_all_bits_is_told_too():
    model = drawn(iqp_born.build, spin_flip=True)
    mean, square = model.told_means(ALL, torch_rng("told"))
    odd = ALL.sum(1) % 2 == 1
    assert (mean[odd] == 0).all() and (square[odd] == 0).all() and (mean[~odd] != 0).any()
