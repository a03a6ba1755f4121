"""Transformers of images that classify: patches as tokens, attention over heads, and circuits of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Scorer
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Observable, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.patch_circuit import in_patches, places_in

CLASSES = 2
SPREAD = 0.02
"""How wide the positions of tokens are drawn."""


def basic_entangler(wires: int, layers: int, readout: Sequence[Observable] = ()) -> Circuit:
    """Angle embedding RX(x), then layers of RX(w) on each wire and a ring of CNOTs; Z of each wire unless stated.

    On two wires the ring is one CNOT.

    Example:
        >>> basic_entangler(8, 1).n_weights, basic_entangler(2, 1).counts["CNOT"]
        (8, 1)
    """
    gates = [Gate("RX", (w,), (Angle(input=w),)) for w in range(wires)]
    for layer in range(layers):
        gates += [Gate("RX", (w,), (Angle(weight=layer * wires + w),)) for w in range(wires)]
        gates += [Gate("CNOT", (w, (w + 1) % wires)) for w in range(wires if wires > 2 else wires - 1)]
    blocks = (WeightBlock("turns", (layers, wires)),)
    return Circuit(wires, wires, blocks, tuple(gates), tuple(readout) or z_on(range(wires)))


class TokenCircuit(nn.Module):
    """A circuit that acts on each token: ``(..., inputs) -> (..., readout)``; its weights start from 0 to 2 pi.

    Example:
        >>> TokenCircuit(basic_entangler(3, 1), "torch")(torch.zeros(5, 4, 3)).shape
        torch.Size([5, 4, 3])
    """

    def __init__(self, circuit: Circuit, backend: str) -> None:
        super().__init__()
        self.circuit = CircuitLayer(circuit, backend)
        nn.init.uniform_(self.circuit.weights, 0, 2 * torch.pi)

    def forward(self, tokens: Tensor) -> Tensor:
        """The readout of the circuit on each token."""
        values: Tensor = self.circuit(tokens.flatten(0, -2))
        return values.reshape(*tokens.shape[:-1], -1)


class KeyMap(nn.Linear):
    """The linear map of keys, whose bias shifts all attention of a token alike and so has no effect.

    Example:
        >>> KeyMap(8, 8).blind, KeyMap(8, 8, bias=False).blind
        (8, 0)
    """

    @property
    def blind(self) -> int:
        """How many of its parameters have no effect."""
        return 0 if self.bias is None else self.out_features


class Attention(nn.Module):
    """Dot-product attention over heads; `maps` makes the maps of queries, keys, values and the output, in this order.

    Example:
        >>> attention = Attention(2, [nn.Linear(4, 4) for _ in range(4)])
        >>> attention(torch.zeros(5, 3, 4)).shape
        torch.Size([5, 3, 4])
    """

    def __init__(self, heads: int, maps: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = maps

    def forward(self, tokens: Tensor) -> Tensor:
        """``(n, tokens, size) -> (n, tokens, size)``."""
        query, key, value = (
            part(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[3])).softmax(3)
        attended: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return attended


class Block(nn.Module):
    """Attention and a feed-forward network, each after a normalisation and beside what comes in.

    Example:
        >>> Block(4, nn.Identity(), nn.Identity())(torch.zeros(5, 3, 4)).shape
        torch.Size([5, 3, 4])
    """

    def __init__(self, size: int, attention: nn.Module, feed: nn.Module) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention, self.feed = attention, feed

    def forward(self, tokens: Tensor) -> Tensor:
        """``(n, tokens, size) -> (n, tokens, size)``."""
        tokens = tokens + self.attention(self.before(tokens))
        left: Tensor = tokens + self.feed(self.after(tokens))
        return left


class ImageTransformer(Scorer):
    """Classifies images: patches, a linear embedding and positions, blocks, and a head that gives two logits.

    The score is the difference of the logits of signal and background; the loss is their cross-entropy.

    Example:
        >>> model = ImageTransformer((1, 8, 8), 4, [Block(6, nn.Identity(), nn.Identity())], PooledHead(6), size=6)
        >>> model.score(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3])
    """

    def __init__(
        self, shape: tuple[int, ...], patch: int, blocks: Sequence[nn.Module], head: nn.Module, *, size: int
    ) -> None:
        super().__init__(shape)
        self.patch = patch
        self.embed = nn.Linear(shape[0] * patch**2, size)
        self.positions = nn.Parameter(SPREAD * torch.randn(places_in(shape, patch), size))
        self.blocks, self.head = nn.Sequential(*blocks), head

    def logits(self, x: Tensor) -> Tensor:
        """The logits of background and signal, ``(n, c, h, w) -> (n, 2)``."""
        tokens = self.embed(in_patches(x, self.patch)) + self.positions
        found: Tensor = self.head(self.blocks(tokens))
        return found

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The logarithm of the odds of signal."""
        background, signal = self.logits(x).unbind(1)
        return signal - background

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The cross-entropy of the labels."""
        assert batch.labels is not None
        return F.cross_entropy(self.logits(batch.rows), batch.labels.long())


class PooledHead(nn.Module):
    """A normalisation, the mean over tokens, and a linear map to logits.

    Example:
        >>> PooledHead(4)(torch.zeros(5, 3, 4)).shape
        torch.Size([5, 2])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm, self.line = nn.LayerNorm(size), nn.Linear(size, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(n, tokens, size) -> (n, 2)``."""
        logits: Tensor = self.line(self.norm(tokens).mean(1))
        return logits


def vision_transformer(
    shape: tuple[int, ...],
    *,
    patch: int,
    hidden: int,
    heads: int,
    blocks: int,
    attention_maps: Callable[[], Sequence[nn.Module]],
    feed: Callable[[], nn.Module],
) -> ImageTransformer:
    """A transformer of blocks with these maps, whose head pools the tokens.

    Raises:
        Refused: a hidden size that the heads do not divide, or a patch that does not fit.
    """
    if heads < 1 or hidden % heads:
        raise Refused(f"a hidden size of {hidden} was asked for in {heads} heads; a multiple of the heads is expected")
    layers = [Block(hidden, Attention(heads, attention_maps()), feed()) for _ in range(blocks)]
    return ImageTransformer(shape, patch, layers, PooledHead(hidden), size=hidden)
