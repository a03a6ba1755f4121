"""Vision transformer with quantum self-attention: tokens attend by how near single expectation values are.

Each token goes through three circuits. Query q and key k are Z of the first wire, the value is a vector of expectation
values; what token s gets is the mean of all values with weights exp(-(q_s - k_j)^2), which add up to 1 over j.
"""

from __future__ import annotations

from math import ceil

from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, Observable, Pauli, WeightBlock, z_on
from qinn_bench.values import Refused
from reference_models._parts.transformer import CLASSES, Block, ImageTransformer, TokenCircuit, basic_entangler
from reference_models._parts.trash import seen

ABOUT = About(
    citation="G. Li, X. Zhao, X. Wang, Quantum self-attention neural networks for text classification, "
    "arXiv:2205.05625; on images: ML4SCI, Google Summer of Code 2022 (ViT-QSAL)",
    published={"result": "none: the notebook on jets ends after 40 steps"},
    deviations=(
        "the weights of attention add up to 1 over the tokens attended to; in the notebook rows are divided by the "
        "sums of columns",
        "no dropout",
        "trained to the budget of the study by its optimiser",
    ),
    knobs={"blocks": (1, 2, 3, 4, 6), "head": (2, 4, 8, 16, 32, 64, 128, 192)},
    depth="blocks",
    tiny={"patch": 4, "hidden": 3, "blocks": 1, "layers": 1, "head": 2, "trim": True},
    tune={"circuits": ("basic", "qsann")},
    rows=("image",),
    supervised=True,
)
CIRCUITS = ("basic", "qsann")
TURNS: tuple[GateName, ...] = ("RX", "RY")


def angles_of(wires: int, depth: int) -> int:
    """How many angles a circuit of self-attention takes: ``2 n (2 d + 1)``.

    Example:
        >>> angles_of(2, 1)
        12
    """
    return 2 * wires * (2 * depth + 1)


def self_attention(wires: int, depth: int, *, fed: bool) -> list[Gate]:
    """The circuit of arXiv:2205.05625: RX and RY on both wires of a pair and a CNOT, pair by pair of the ring, `depth`
    times; then RX and RY on each wire. Its angles are inputs where it is `fed`, else weights.

    Example:
        >>> len(self_attention(2, 1, fed=True))
        14
    """
    gates = list[Gate]()

    def turned(wire: int) -> None:
        for turn in TURNS:
            place = sum(gate.name in TURNS for gate in gates)
            gates.append(Gate(turn, (wire,), (Angle(input=place) if fed else Angle(weight=place),)))

    for _ in range(depth):
        for wire in range(wires):
            pair = (wire, (wire + 1) % wires)
            for one in pair:
                turned(one)
            gates.append(Gate("CNOT", pair))
    for wire in range(wires):
        turned(wire)
    return gates


def token_circuit(kind: str, hidden: int, layers: int, *, value: bool) -> Circuit:
    """The circuit of queries and keys, or of values, for tokens of `hidden` numbers.

    ``basic`` has a wire for each number; ``qsann`` is loaded with six angles a wire, and its values are Z of all wires,
    then Y, then X, as many as are needed.

    Raises:
        Refused: there is no such circuit, or fewer than two wires.

    Example:
        >>> [token_circuit(kind, 12, layers, value=True).n_weights for kind, layers in (("basic", 2), ("qsann", 1))]
        [24, 12]
    """
    if kind not in CIRCUITS:
        raise Refused(f"qsann_vit knows no circuits '{kind}'; there are: {', '.join(CIRCUITS)}")
    wires = hidden if kind == "basic" else hidden // angles_of(1, 1)
    if wires < 2 or (kind == "qsann" and hidden % angles_of(1, 1)):
        expected = "at least 2" if kind == "basic" else "a multiple of 6, at least 12,"
        raise Refused(f"tokens of {hidden} numbers were asked for; {expected} is expected for {kind} circuits")
    words: tuple[Observable, ...] = z_on(range(wires)) if value else z_on((0,))
    if kind == "basic":
        return basic_entangler(wires, layers, words)
    if value:
        words = tuple(Pauli(letter, (w,)) for letter in "ZYX" for w in range(wires))
    gates = (*self_attention(wires, 1, fed=True), *self_attention(wires, layers, fed=False))
    return Circuit(wires, hidden, (WeightBlock("angles", (angles_of(wires, layers),)),), gates, words)


class GaussianAttention(nn.Module):
    """Self-attention by the distance of single expectation values of circuits.

    Example:
        >>> import torch
        >>> GaussianAttention("basic", 3, 1, trim=False, backend="torch")(torch.zeros(5, 4, 3)).shape
        torch.Size([5, 4, 3])
    """

    def __init__(self, kind: str, hidden: int, layers: int, *, trim: bool, backend: str) -> None:
        super().__init__()
        self.hidden = hidden
        self.query, self.key, self.value = (
            TokenCircuit(seen(token_circuit(kind, hidden, layers, value=value), trim), backend)
            for value in (False, False, True)
        )

    def weights(self, tokens: Tensor) -> Tensor:
        """What each token takes of each other, ``(n, tokens, tokens)``; rows add up to 1."""
        near = -(self.query(tokens) - self.key(tokens).transpose(1, 2)).square()
        shares: Tensor = near.softmax(2)
        return shares

    def forward(self, tokens: Tensor) -> Tensor:
        """``(n, tokens, hidden) -> (n, tokens, hidden)``."""
        values = self.value(tokens)
        repeated = values.repeat(1, 1, ceil(self.hidden / values.shape[2]))[:, :, : self.hidden]
        attended: Tensor = self.weights(tokens) @ repeated
        return attended


def build(
    shape: tuple[int, ...],
    *,
    patch: int = 3,
    hidden: int = 12,
    blocks: int = 3,
    layers: int = 2,
    head: int = 128,
    circuits: str = "basic",
    trim: bool = False,
    backend: str = "auto",
) -> ImageTransformer:
    """A transformer of square patches of `patch` pixels a side.

    Tokens have `hidden` numbers; each of the `blocks` has attention by `circuits` (``basic``, ``qsann``) of `layers`
    and a network of twice as many hidden units; all tokens go into a network of `head` and half as many units. `trim`
    leaves out the weights that nothing read depends on.

    Raises:
        Refused: no such circuits, a hidden size that does not fit them, or a patch that does not fit.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build((1, 40, 40), backend="torch")).quantum
        216
    """

    def block() -> Block:
        attention = GaussianAttention(circuits, hidden, layers, trim=trim, backend=backend)
        feed = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))
        return Block(hidden, attention, feed)

    model = ImageTransformer(shape, patch, [block() for _ in range(blocks)], nn.Identity(), size=hidden)
    half = max(1, head // 2)
    model.head = nn.Sequential(
        *(nn.Flatten(), nn.Linear(model.positions.numel(), head), nn.GELU()),
        *(nn.Linear(head, half), nn.GELU(), nn.Linear(half, CLASSES)),
    )
    return model
