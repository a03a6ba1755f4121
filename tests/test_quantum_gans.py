"""Quantum GANs and their twins: sizes and weights as published, circuits against slow twins, and what games reward."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum import controls
from qinn_bench.quantum.circuit import z_on
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.quantum.simulators import statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.finite_adversary import FiniteAdversary
from reference_models._parts.opposed import Discriminator, OpposedInLatents
from reference_models._parts.outcomes import ImageCircuit, image_circuit
from reference_models._parts.spans import Levels, Shares, Span
from reference_models._parts.styled_circuit import STARTS, StyleForm, start_of, styled_circuit, turns_of

torch.set_num_threads(1)
GAMMA = (
    *(0.17445080, -0.27533061, 0.21909899, -0.30568589, 0.04792389, -0.16427941),
    *(0.31738062, -0.44575470, -0.57830202, 0.07656882),
)
"""Trained weights of the public code (style-qgan, results/1Dgamma): one wire, three numbers of noise, two layers."""


def made(name: str, shape: int | tuple[int, ...], **knobs):
    torch.manual_seed(0)
    return registry.make("model", Use(name=name, knobs=knobs), shape, backend="torch")


def rows(n: int, dim: int, name: str) -> Tensor:
    return torch.randn(n, dim, generator=torch_rng(name, dim), dtype=torch.float64)


@pytest.mark.parametrize("layers", [2, 4, 6, 20])
def test_sizes_of_the_style_based_circuit_are_those_of_its_formulas(layers):
    assert count_parameters(made("style_qgan", 3, layers=layers)).quantum == 4 * layers * 3 + 2 * 3 + 2 * layers
    for n in (2, 3, 4):
        qibo = made("style_qgan", n, layers=layers, rotations=4, graph="ring")
        assert count_parameters(qibo).total == count_parameters(qibo).quantum == 10 * layers * n + 2 * n


def test_sizes_of_published_files_and_judges_are_met():
    """Files of trained weights hold 10 numbers for one wire and two layers, 40 for two wires and four, 62 for three."""
    found = [count_parameters(made("style_qgan", n, layers=k, latent=3)).total for n, k in ((1, 2), (2, 4), (3, 4))]
    assert found == [10, 40, 62]
    # A dense layer 3-200 without bias, convolutions 2-64-32-16-8 of 3 x 3, and a dense layer from 800.
    dense = 3 * 200 + sum(9 * a * b + b for a, b in pairwise((2, 64, 32, 16, 8))) + 801
    assert count_parameters(made("style_qgan", 3, critic="conv")).critic == dense
    jets = count_parameters(made("discrete_qgan", 9, layers=5))
    assert (jets.quantum, jets.blind, jets.critic) == (27 * 5, 9, 9 * 50 + 50 + 50 * 20 + 20 + 20 + 1)
    assert count_parameters(made("dual_pqc_gan", (1, 4, 2), bits=2, layers=5, hidden=2)).quantum == (2 + 5) * 6


def turn(name: str, angle: float) -> np.ndarray:
    """RY or RZ as a matrix."""
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return np.array([[c, -s], [s, c]]) if name == "RY" else np.diag([complex(c, -s), complex(c, s)])


def on(matrix: np.ndarray, wires: tuple[int, ...], n: int) -> np.ndarray:
    """A turn of the last of these wires, controlled by the first if there are two, as a matrix of all n wires."""
    zero, one = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])

    def spread(parts: dict[int, np.ndarray]) -> np.ndarray:
        whole = np.eye(1)
        for wire in range(n):
            whole = np.kron(whole, parts.get(wire, np.eye(2)))
        return whole

    if len(wires) == 1:
        return spread({wires[0]: matrix})
    return spread({wires[0]: zero}) + spread({wires[0]: one, wires[1]: matrix})


def slow_style(n: int, layers: int, rotations: int, noise: np.ndarray, weights: np.ndarray) -> list[float]:
    """Z of each wire, by the bookkeeping of the published code: weights in pairs, numbers of the noise in turn."""
    state, index, number = np.eye(2**n)[0].astype(complex), 0, 0

    def angle(*, stay: bool = False) -> float:
        nonlocal index, number
        value = weights[index] * noise[number] + weights[index + 1]
        index, number = index + 2, number if stay else (number + 1) % len(noise)
        return value

    for layer in range(layers):
        for q in range(n):
            for k in range(rotations):
                gate = ("RY", "RZ")[k % 2]
                state = on(turn(gate, angle(stay=rotations == 4 and k == 1)), (q,), n) @ state
        first, second = ((1, 5, 9), (3, 7, 11)) if rotations == 2 else ((0, 2, 4), (1, 3, 5))
        pairs = [(0, 1), (0, 2)] if layer in first else [(1, 2), (2, 0)] if layer in second else []
        for pair in pairs:
            state = on(turn("RY", angle()), pair, n) @ state
    for q in range(n):
        state = on(turn("RY", angle()), (q,), n) @ state
    chances = (abs(state) ** 2).reshape([2] * n)
    return [float(np.moveaxis(chances, q, 0).reshape(2, -1).sum(1) @ [1, -1]) for q in range(n)]


@pytest.mark.parametrize(("layers", "rotations", "latent"), [(4, 2, 5), (8, 2, 3), (3, 4, 5), (2, 4, 2)])
def test_the_style_based_circuit_is_that_of_the_published_code(layers, rotations, latent):
    circuit = styled_circuit(3, latent, StyleForm(layers, rotations), z_on(range(3)))
    noise, weights = rows(3, latent, "noise"), rows(1, circuit.n_weights, "weights")[0]
    fast = statevector.run(circuit, noise, weights)
    slow = [slow_style(3, layers, rotations, one, weights.numpy()) for one in noise.numpy()]
    np.testing.assert_allclose(fast.numpy(), slow, atol=1e-12)


def test_weights_that_were_trained_by_the_public_code_give_the_law_that_they_were_trained_on():
    """An exponential of mean 1/4 (a gamma of shape 1) moved to -1. The public code reads minus Z."""
    circuit = styled_circuit(1, 3, StyleForm(2), z_on(range(1)))
    drawn = -statevector.run(circuit, rows(20_000, 3, "gamma"), torch.tensor(GAMMA, dtype=torch.float64))[:, 0]
    at = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    # Above 0.95 the tail of a bounded number must be too short; below, the largest gap is 0.03.
    assert float((torch.quantile(drawn, at) - (-torch.log1p(-at) / 4 - 1)).abs().max()) < 0.04
    assert float(drawn.mean()) == pytest.approx(-0.75, abs=0.01)


@pytest.mark.parametrize("graph", ["rings", "all", "chain"])
def test_an_angle_may_read_all_numbers_of_the_noise(graph):
    """Turns about one axis add up: weights are a matrix and a shift for each angle."""
    form = StyleForm(2, 4, graph, mixing="full")
    circuit = styled_circuit(3, 4, form, z_on(range(3)))
    noise, weights = rows(2, 4, "noise"), rows(1, circuit.n_weights, "weights")[0]
    turns = list(turns_of(3, 2, 4, graph))
    angles = weights.view(len(turns), 5)
    for z, fast in zip(noise, statevector.run(circuit, noise, weights), strict=True):
        state = np.eye(8)[0].astype(complex)
        for one, (*scales, shift) in zip(turns, angles.tolist(), strict=True):
            state = on(turn(one.gate[-2:], float(np.dot(scales, z.numpy())) + shift), one.wires, 3) @ state
        chances = (abs(state) ** 2).reshape(2, 2, 2)
        slow = [float(np.moveaxis(chances, q, 0).reshape(2, -1).sum(1) @ [1, -1]) for q in range(3)]
        np.testing.assert_allclose(fast.numpy(), slow, atol=1e-12)


@pytest.mark.parametrize(("layers", "rotations"), [(4, 2), (3, 2), (2, 4)])
def test_blocks_start_as_a_right_angle_and_other_starts_within_their_bounds(layers, rotations):
    circuit = styled_circuit(2, 2, StyleForm(layers, rotations, "ring"), z_on(range(2)))
    no_noise = torch.zeros(1, 2, dtype=torch.float64)
    torch.manual_seed(1)
    starts = {kind: start_of(circuit, kind).double() for kind in STARTS}
    state = statevector.state(circuit, no_noise, starts["blocks"])
    np.testing.assert_allclose(state[0].numpy(), [0.5] * 4, atol=1e-6)
    assert float(starts["small"].abs().max()) <= 0.15
    scales = torch.arange(circuit.n_weights) % 2 == 0
    assert all(float(one[scales].abs().max()) <= 0.15 for one in starts.values())
    assert float(starts["uniform"][~scales].max()) > 3


def test_noise_may_enter_in_every_so_manieth_layer_alone():
    sizes = [
        count_parameters(made("style_qgan", 3, layers=4, graph="none", every=k, latent=3)).total for k in (1, 2, 4)
    ]
    angles = 6 * 4 + 3
    assert sizes == [2 * angles, angles + 2 * 6 + 3, angles + 6 + 3]


@pytest.mark.parametrize(("name", "knobs"), [("style_qgan", {}), ("mlp_gan", {}), ("latent_style_qgan", {"wires": 2})])
def test_rows_follow_their_condition_and_stay_within_the_span_of_the_training_rows(name, knobs):
    torch.manual_seed(0)
    model = registry.make("model", Use(name=name, knobs=knobs), 3, condition=1, backend="torch")
    train = 5 + rows(200, 3, "train").float()
    model.initialise(Batch(train, torch.zeros(200, 1)), torch_rng("i"))
    with torch.no_grad():
        noise = model.noise(50, torch_rng("n")).float()
        first, second = (model.generate(noise, torch.full((50, 1), value)) for value in (0.0, 3.0))
    assert not torch.allclose(first, second)
    if name != "latent_style_qgan":
        assert bool(((first >= train.amin(0) - 1e-5) & (first <= train.amax(0) + 1e-5)).all())


@pytest.mark.parametrize("span", [Span(3), Levels(3, 4), Shares(3)], ids=["span", "levels", "shares"])
def test_units_of_rows_are_found_again_from_the_rows_that_they_stand_for(span):
    span.double().fit(rows(100, 3, "fit"))
    units = torch.rand(50, 3, generator=torch_rng("units"), dtype=torch.float64)
    if isinstance(span, Levels):
        units = (3 * units).round() / 3
    if isinstance(span, Shares):
        units = units / units.sum(1, keepdim=True)
    torch.testing.assert_close(span.into(span.back(units)), units)


def test_a_row_is_rounded_to_its_nearest_level():
    levels = Levels(1, 4).double()
    levels.fit(torch.tensor([[-1.0], [2.0]]).double())
    x = 6 * rows(200, 1, "x").abs() - 3
    grid = torch.tensor([-1.0, 0.0, 1.0, 2.0]).double()
    nearest = grid[(x - grid).abs().argmin(1)]
    torch.testing.assert_close(levels.back(levels.into(x))[:, 0], nearest)


def test_rows_may_be_drawn_anywhere_within_half_a_step_of_their_level():
    rng = torch_rng("within")
    plain, within = (made("discrete_qgan", 1, bits=2, within=asked).double() for asked in (False, True))
    for model in (plain, within):
        model.initialise(Batch(torch.tensor([[0.0], [3.0]]).double()), rng)
    drawn, scattered = plain.sample(500, torch_rng("d"))[:, 0], within.sample(500, torch_rng("d"))[:, 0]
    torch.testing.assert_close(scattered.round(), drawn)
    off = scattered - drawn
    assert float(off.abs().max()) <= 0.5 and float(off.std()) == pytest.approx(12**-0.5, abs=0.03)


FINITE = [
    ("discrete_qgan", {"bits": 2, "layers": 2}),
    ("dual_pqc_gan", {"bits": 2, "layers": 2}),
    ("categorical_gan", {"draws": "levels", "bits": 2}),
    ("categorical_gan", {"bits": 2}),
]


@pytest.mark.parametrize(("name", "knobs"), FINITE)
def test_losses_of_finite_generators_are_means_over_all_that_they_can_draw(name, knobs):
    model = made(name, 2, **knobs).double()
    assert isinstance(model, FiniteAdversary)
    true = rows(20, 2, "true")
    model.initialise(Batch(true), torch_rng("i"))
    with torch.no_grad():
        chances, table = model.chances(), model.table()
        assert float(chances.sum()) == pytest.approx(1) and len(chances) == len(table)
        said = [torch.sigmoid(model.critic(row[None]))[0] for row in table]
        wanted = -sum(p * d.log() for p, d in zip(chances, said, strict=True))
        assert float(model.loss(Batch(true), 0.0, torch_rng("l"))) == pytest.approx(float(wanted))
        of_true = torch.sigmoid(model.critic(model.span.into(true))).log().mean()
        wanted = -of_true - sum(p * (1 - d).log() for p, d in zip(chances, said, strict=True))
        assert float(model.critic_loss(Batch(true), 0.0, torch_rng("l"))) == pytest.approx(float(wanted))
        drawn = model.sample(4000, torch_rng("draw"))
        possible = model.span.back(table)
        at = torch.cdist(drawn, possible).argmin(1)
        assert float((drawn - possible[at]).abs().max()) < 1e-12
        shares = torch.bincount(at, minlength=len(table)) / 4000
        # Rows that are equal share what they are drawn with.
        alike = (torch.cdist(possible, possible) < 1e-12).double()
        off = alike @ (shares - chances)
        assert float(off.abs().max()) < 5 * (0.25 / 4000) ** 0.5


def test_images_without_hidden_wires_share_out_each_pixel_among_the_numbers():
    """The columns of a unitary: over all numbers the shares of a pixel add up to 1, which hidden wires undo."""
    for hidden, fixed in ((0, True), (1, False)):
        torch.manual_seed(2)
        table = ImageCircuit(image_circuit(2 + hidden, 2, 3, 2), pixels=4, backend="torch", start="uniform")
        with torch.no_grad():
            images = table.double()()
        torch.testing.assert_close(images.sum(1), torch.ones(4).double())
        assert torch.allclose(images.sum(0), torch.ones(4).double(), atol=1e-6) == fixed


def test_a_discrete_generator_loads_the_published_toy():
    """Whole numbers from 0 to 15 of a normal of mean 7 and width 1.5, on four wires."""
    torch.manual_seed(3)
    model = made("discrete_qgan", 1, bits=4, layers=3)
    numbers = (7 + 1.5 * rows(4000, 1, "toy")).round().clamp(0, 15).float()
    train = torch.cat((numbers, torch.tensor([[0.0], [15.0]])))
    model.initialise(Batch(train), torch_rng("i"))
    law = torch.bincount(numbers[:, 0].long(), minlength=16) / 4000

    def apart() -> float:
        with torch.no_grad():
            return 0.5 * float((model.chances() - law).abs().sum())

    before = apart()
    batch = Batch(train)
    outcome = fit(model, batch, batch, Budget(steps=300, batch=256, learning_rate=0.03, check_every=100), ("toy", 0))
    assert outcome.status == "ok" and apart() < 0.2 < before


def test_latents_are_judged_and_the_decoder_shows_them():
    model = made("mlp_gan", (1, 4, 2), code=3, critic="6").double()
    assert isinstance(model, OpposedInLatents)
    batch = Batch(rows(30, 8, "images").reshape(30, 1, 4, 2))
    core, decoder = model.network.children()
    noise = model.noise(5, torch_rng("n"))
    with torch.no_grad():
        torch.testing.assert_close(model.generate(noise).flatten(1), decoder(core(noise)))
        codes = model.encoder(batch.rows.flatten(1))
        made_codes = core(model.noise(30, torch_rng("c")))
        wanted = F.softplus(-model.critic(codes)).mean() + F.softplus(model.critic(made_codes)).mean()
        assert float(model.critic_loss(batch, 0.0, torch_rng("c"))) == pytest.approx(float(wanted))
    # What only helps to train is counted with the judge.
    helped = sum(p.numel() for part in (model.encoder, model.critic) for p in part.parameters())
    assert count_parameters(model).critic == helped
    by_name = {player.name: set(map(id, player.parameters)) for player in model.players()}
    assert by_name["generator"] == set(map(id, core.parameters()))


@pytest.mark.parametrize("name", ["style_qgan", "latent_style_qgan", "discrete_qgan", "dual_pqc_gan"])
def test_a_frozen_circuit_leaves_its_judge_alone_to_be_trained(name):
    model = made(name, 2)
    controls.apply(model, "frozen", torch_rng("control"))
    before = [layer.weights.clone() for layer in circuit_layers(model).values()]
    batch = Batch(rows(100, 2, "rows").float())
    model.initialise(batch, torch_rng("i"))
    assert "generator" not in {player.name for player in model.players()}
    outcome = fit(model, batch, batch, Budget(steps=3, batch=16, check_every=3), ("frozen", 0))
    assert outcome.status == "ok"
    assert all(map(torch.equal, before, [layer.weights for layer in circuit_layers(model).values()]))


@pytest.mark.parametrize("game", ["bce", "wasserstein"])
@pytest.mark.parametrize("name", ["style_qgan", "mlp_gan"])
def test_generators_learn_where_rows_are(name, game):
    """Rows in a corner of their span, far from where both start."""
    size = {"layers": 2} if name == "style_qgan" else {"hidden": 4}
    model = made(name, 2, latent=2, critic="16", game=game, penalty=1.0, **size)
    corner = 0.3 * rows(600, 2, "corner").float().abs().clamp(max=1.0)
    batch = Batch(torch.cat((corner, torch.tensor([[1.0, 1.0], [0.0, 0.0]]))))
    model.initialise(batch, torch_rng("i"))
    before = float(model.validation_loss(batch, torch_rng("v")).detach())
    outcome = fit(model, batch, batch, Budget(steps=100, batch=64, learning_rate=0.03, check_every=25), ("corner", 0))
    assert outcome.status == "ok" and outcome.training.best_loss < 0.3 * before


@pytest.mark.parametrize(
    ("name", "knobs", "said"),
    [
        ("style_qgan", {"graph": "star"}, "one of alternate, ring"),
        ("style_qgan", {"rotations": 3}, "2 or 4 turns"),
        ("style_qgan", {"latent": 99}, "at most as many numbers as angles"),
        ("style_qgan", {"spare": 14}, "at most 16 wires"),
        ("style_qgan", {"start": "zero"}, "small, uniform, blocks"),
        ("style_qgan", {"game": "chess"}, "bce, wasserstein"),
        ("latent_style_qgan", {"readout": "y"}, "one of xz, z"),
        ("latent_style_qgan", {"between": 0}, "1 or more are expected"),
        ("mlp_gan", {"hidden_layers": -1}, "0 or more layers"),
        ("discrete_qgan", {"bits": 6}, "at most 16 wires"),
        ("discrete_qgan", {"layout": "weak"}, "one of strong, turned"),
        ("discrete_qgan", {"start": "zero"}, "uniform, small"),
        ("dual_pqc_gan", {"bits": 0}, "a bit and at most 16 wires"),
        ("categorical_gan", {"draws": "cards"}, "one of images, levels"),
        ("categorical_gan", {"draws": "levels", "bits": 6}, "at most 16 are expected"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_exists(name, knobs, said):
    with pytest.raises(Refused, match=said):
        made(name, 3, **knobs)


def test_a_discriminator_gives_a_logit_of_rows_of_any_shape():
    for how in ("conv", "5"):
        torch.manual_seed(0)
        judge = Discriminator(8, how)
        assert judge(torch.zeros(4, 1, 4, 2)).shape == judge(torch.zeros(4, 7), torch.zeros(4, 1)).shape == (4,)
