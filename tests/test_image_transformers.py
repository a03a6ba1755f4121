"""Transformers of images and the hybrid variational autoencoder: published counts, and what their parts do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.transformer import Attention, TokenCircuit, basic_entangler
from reference_models.quantum_autoencoders.qsann_vit import GaussianAttention, angles_of, token_circuit

torch.set_num_threads(1)

JET = (3, 125, 125)


def made(name: str, shape: int | tuple[int, ...], backend: str = "torch", **knobs: object):
    torch.manual_seed(0)
    return registry.make("model", Use(name=name, knobs=knobs), shape, backend=backend).double()


def rows(n: int, *shape: int) -> Tensor:
    return torch.rand(n, *shape, generator=torch_rng("rows"), dtype=torch.float64)


def test_parameters_are_those_that_are_published():
    quantum, classical = count_parameters(made("qvit", JET)), count_parameters(made("vit", JET))
    assert (quantum.total, quantum.quantum, classical.total, classical.blind) == (4170, 144, 5178, 32)


def test_parameters_of_self_attention_circuits():
    """12 angles a token and 12 weights for each of queries, keys and values, on two wires of depth 1."""
    circuit = token_circuit("qsann", 12, 1, value=True)
    assert (circuit.n_wires, circuit.n_inputs, circuit.n_weights, angles_of(2, 1)) == (2, 12, 12, 12)
    for wires, depth in ((2, 3), (4, 2)):
        hidden = angles_of(wires, 1)
        assert token_circuit("qsann", hidden, depth, value=False).n_weights == angles_of(wires, depth)


def test_the_notebook_on_jets_has_24_angles_a_circuit():
    counted = count_parameters(made("qsann_vit", (1, 40, 40)))
    assert counted.quantum == 3 * 3 * 24
    assert made("qsann_vit", (1, 40, 40)).positions.shape == (169, 12)


@pytest.mark.parametrize("kind", ["basic", "qsann"])
def test_rows_of_attention_add_up_to_one_and_favour_what_is_near(kind):
    attention = GaussianAttention(kind, 12, 1, trim=False, backend="torch").double()
    tokens = rows(2, 5, 12)
    with torch.no_grad():
        weights = attention.weights(tokens)
        torch.testing.assert_close(weights.sum(2), torch.ones(2, 5, dtype=torch.float64), rtol=0, atol=1e-12)
        query, key = attention.query(tokens)[..., 0], attention.key(tokens)[..., 0]
        by_hand = torch.exp(-((query[:, :, None] - key[:, None, :]) ** 2))
        torch.testing.assert_close(weights, by_hand / by_hand.sum(2, keepdim=True), rtol=0, atol=1e-12)
        values = attention.value(tokens).repeat(1, 1, 12 // attention.value(tokens).shape[2])
        torch.testing.assert_close(attention(tokens), weights @ values, rtol=0, atol=1e-12)


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    maps = [nn.Linear(6, 6).double() for _ in range(4)]
    theirs = nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([one.weight for one in maps[:3]]))
        theirs.in_proj_bias.copy_(torch.cat([one.bias for one in maps[:3]]))
        theirs.out_proj.load_state_dict(maps[3].state_dict())
        tokens = rows(3, 4, 6)
        expected = theirs(tokens, tokens, tokens)[0]
        torch.testing.assert_close(Attention(2, maps)(tokens), expected, rtol=0, atol=1e-12)


def test_a_circuit_of_tokens_takes_each_by_itself():
    layer, tokens = TokenCircuit(basic_entangler(3, 2), "torch").double(), rows(2, 4, 3)
    with torch.no_grad():
        one = statevector.run(layer.circuit.circuit, tokens[1, 2][None], layer.circuit.weights)
        torch.testing.assert_close(layer(tokens)[1, 2], one[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["vit", "qvit", "qsann_vit"])
def test_transformers_learn_labels(name):
    if not native.AVAILABLE:
        pytest.skip("the compiled simulator was not built")
    small = {"patch": 4, "hidden": 4, "blocks": 1} | ({"head": 8} if name == "qsann_vit" else {"mlp": 4})
    model = made(name, (1, 8, 8), "native", **small).float()
    labels = torch.arange(300.0) % 2
    images = rows(300, 1, 8, 8).float()
    images[:, 0, :4, :4] += labels[:, None, None]
    batch = Batch(images, labels=labels)
    fit(model, batch[:200], batch[200:], Budget(steps=150, batch=50, learning_rate=0.02, check_every=50), (name,))
    with torch.no_grad():
        right = ((model.score(images[200:]) > 0) == (labels[200:] == 1)).double().mean()
    assert float(right) > 0.95


@pytest.mark.parametrize(
    ("name", "knobs", "says"),
    [
        ("qvit", {"heads": 3}, "a multiple of the heads"),
        ("vit", {"patch": 13}, "a patch of 13 x 13 pixels was asked for in an image of 12 x 12"),
        ("qsann_vit", {"circuits": "deep"}, "there are: basic, qsann"),
        ("qsann_vit", {"circuits": "qsann", "hidden": 8}, "a multiple of 6, at least 12, is expected"),
        ("hqvae", {"latent": 0}, "at least 1, 1 and 0 are expected"),
    ],
)
def test_transformers_that_do_not_exist_are_refused(name, knobs, says):
    with pytest.raises(Refused, match=says):
        made(name, (1, 12, 12), **knobs)


@pytest.mark.parametrize("shape", [6, (1, 4, 4)])
def test_the_variational_autoencoder_scores_what_it_rebuilds(shape):
    model = made("hqvae", shape, wires=2, hidden=4)
    x = rows(5, *model.shape)
    with torch.no_grad():
        mean, log_variance = model.encode(x)
        normals = [
            torch.distributions.Normal(m, s) for m, s in ((mean, (log_variance / 2).exp()), (0 * mean, 1 + 0 * mean))
        ]
        apart = torch.distributions.kl_divergence(*normals).sum(1)
        missed = (model.reconstruct(x) - x).flatten(1).square().sum(1) / 2
        torch.testing.assert_close(model.score(x), missed + 0.1 * apart, rtol=0, atol=1e-12)
