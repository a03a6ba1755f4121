"""A program laid out as tensors: which operations run on which operands, and how angles become operands.

Matrices of neighbouring wires are multiplied together and applied as one matrix to psi and all its tangents
d psi / d x_j at once; an input enters a tangent through the generator of its rotation, ``dU/dx = slope U (-i/2 P)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from qinn_bench.quantum.circuit import Angle, Circuit
from qinn_bench.quantum.compiler.decompose import Indices
from qinn_bench.quantum.compiler.operations import Inject, Matrix, Operation, Permute, Phase
from qinn_bench.quantum.compiler.program import (
    AXES,
    Diagonal,
    Locals,
    ProgramStep,
    Rotation,
    RotationAxis,
    compile_circuit,
    pauli,
    z_signs,
)
from qinn_bench.quantum.compiler.tensor_kind import TensorKind

MAX_GROUP = 4
LETTERS = {AXES[letter]: letter for letter in "XYZ"}
Driven = tuple[Angle, str, tuple[int, ...]]


class Angles:
    """Angles of many gates as index vectors; a missing weight or scale points at a 0 or 1 put behind the weights."""

    def __init__(self, angles: Iterable[Angle], n_weights: int, kind: TensorKind) -> None:
        listed = list(angles)
        self.factor = kind.reals([angle.factor for angle in listed])
        self.constant = kind.reals([angle.constant for angle in listed])
        self.weight = kind.indices([n_weights if angle.weight is None else angle.weight for angle in listed])
        self.scale = kind.indices([n_weights + 1 if angle.scale is None else angle.scale for angle in listed])
        self.input = kind.indices([angle.input or 0 for angle in listed])

    def shared(self, padded: Tensor) -> Tensor:
        """The part without inputs, ``(n,)``."""
        return self.factor * (self.constant + padded[self.weight])

    def slopes(self, padded: Tensor) -> Tensor:
        """The derivative of each angle along its input, ``(n,)``."""
        return self.factor * padded[self.scale]


class Runs:
    """All products of rotations on one wire: multiplied out together into ``(runs, 2, 2)``."""

    def __init__(self, runs: list[list[Rotation]], n_weights: int, kind: TensorKind) -> None:
        self.driven = [r for r, run in enumerate(runs) if run[0].angle.input is not None]
        self.driven_index = kind.indices(self.driven)
        self.driven_axes = kind.complexes([_generator(runs[r][0].axis) for r in self.driven]).view(-1, 2, 2)
        shared = [run[1:] if run[0].angle.input is not None else run for run in runs]
        self.shape = (len(runs), max([1, *map(len, shared)]))
        still = Rotation((0.0, 0.0, 1.0), Angle())
        filled = [run[k] if k < len(run) else still for run in shared for k in range(self.shape[1])]
        self.axes = kind.complexes([_generator(rotation.axis) for rotation in filled]).view(*self.shape, 2, 2)
        self.angles = Angles((rotation.angle for rotation in filled), n_weights, kind)
        self.identity = kind.complexes(np.eye(2))

    def shared(self, padded: Tensor) -> Tensor:
        """The products without the rotations that have an input."""
        half = (self.angles.shared(padded) / 2).view(*self.shape, 1, 1)
        factors = half.cos() * self.identity + half.sin() * self.axes
        product = factors[:, 0]
        for k in range(1, self.shape[1]):
            product = factors[:, k] @ product
        return product

    def sampled(self, shared: Tensor, driven_angles: Tensor) -> Tensor:
        """The whole products of the runs that start with an input, ``(driven runs, 2, 2, B)``."""
        half = (driven_angles / 2)[:, None, None]
        rest = shared[self.driven_index]
        return half.cos() * rest[..., None] + half.sin() * (rest @ self.driven_axes)[..., None]


def _generator(axis: RotationAxis) -> NDArray[np.complex128]:
    """``-i axis.sigma``: a rotation is ``cos(angle/2) + sin(angle/2)`` times it."""
    x, y, z = axis
    return -1j * np.array([[z, x - 1j * y], [x + 1j * y, -z]])


class Blocks:
    """Matrices of equally many wires, all with or all without inputs; `positions` are their places among all blocks."""

    def __init__(self, runs: dict[int, list[int]], sampled: bool, kind: TensorKind) -> None:
        self.positions = list(runs)
        self.index = kind.indices(list(runs.values()))
        self.sampled = sampled

    def products(self, table: Tensor) -> tuple[Tensor, ...]:
        """Kronecker products of the runs in a table ``(., 2, 2, B or 1)``: each ``(B, d, d)`` or ``(d, d)``."""
        product = table[self.index[:, 0]]
        for wire in range(1, self.index.shape[1]):
            factor = table[self.index[:, wire]]
            grown = product[:, :, None, :, None] * factor[:, None, :, None, :]
            size = 2 * product.shape[1]
            product = grown.reshape(len(grown), size, size, grown.shape[-1])
        return product.movedim(-1, 1).contiguous().unbind() if self.sampled else product[..., 0].unbind()


class Phases:
    """The factors of all diagonal steps."""

    def __init__(self, steps: list[Diagonal], first: list[int], n_wires: int, n_weights: int, kind: TensorKind) -> None:
        shared = [[term for term in step.terms if term[0].input is None] for step in steps]
        width = max([1, *map(len, shared)])
        signs = np.zeros((len(steps), width, 2**n_wires))
        for s, terms in enumerate(shared):
            for t, (_, wires) in enumerate(terms):
                signs[s, t] = z_signs(n_wires, wires)
        self.signs = kind.reals(signs)
        filled = [terms[t][0] if t < len(terms) else Angle() for terms in shared for t in range(width)]
        self.angles = Angles(filled, n_weights, kind)
        driven = [[wires for angle, wires in step.terms if angle.input is not None] for step in steps]
        self.driven = [
            (slice(start, start + len(terms)), kind.reals([z_signs(n_wires, wires) for wires in terms]))
            for start, terms in zip(first, driven, strict=True)
        ]

    def factors(self, padded: Tensor, driven_angles: Tensor) -> list[Tensor]:
        """For each diagonal step its factors ``(B or 1, 2^n)``."""
        angles = self.angles.shared(padded).view(len(self.signs), 1, self.signs.shape[1])
        phases = list((angles @ self.signs).unbind())
        for s, (place, signs) in enumerate(self.driven):
            if len(signs):
                phases[s] = phases[s] + driven_angles[place].T @ signs
        return [torch.complex((phase / 2).cos(), -(phase / 2).sin()) for phase in phases]


class Plan:
    """The operations of a circuit in order, for one precision and device, and where their operands come from."""

    def __init__(self, circuit: Circuit, tangents: bool, kind: TensorKind) -> None:
        n = circuit.n_wires
        self.n_wires, self.kind = n, kind
        self.groups = wire_groups(n)
        self.low = 2 ** len(self.groups[-1])
        self.high = 2**n // self.low
        self.width = 1 + circuit.n_inputs if tangents else 1
        program = compile_circuit(circuit)
        start = np.zeros((1, self.high, self.width, self.low), dtype=np.complex128)
        start[0, 0, 0, 0] = program.phase
        self.start = kind.complexes(start)
        self.zero_one = kind.reals([0.0, 1.0])
        self.operations: list[Operation] = []
        self.sources: list[tuple[str, int]] = []
        self.spans: list[slice] = []
        self._runs: list[list[Rotation]] = []
        self._blocks: list[list[int | None]] = []
        driven: list[Driven] = []
        diagonals: list[Diagonal] = []
        first: list[int] = []
        local: list[int] = []
        for step in program.steps:
            new = driven_terms(step)
            if tangents and new:
                self._add(self._injection(new), "slopes", len(self.spans))
                self.spans.append(slice(len(driven), len(driven) + len(new)))
            if isinstance(step, Locals):
                self._add_blocks(step)
                local += range(len(driven), len(driven) + len(new))
            elif isinstance(step, Diagonal):
                self._add(Phase(), "phase", len(diagonals))
                diagonals.append(step)
                first.append(len(driven))
            else:
                self._add(Permute(self._spread(step.source)), "none", 0)
            driven += new
        self.driven = Angles((angle for angle, _, _ in driven), circuit.n_weights, kind)
        self.runs = Runs(self._runs, circuit.n_weights, kind)
        self.blocks = self._batches()
        self.local = kind.indices(local)
        self.phases = Phases(diagonals, first, n, circuit.n_weights, kind)

    def _add(self, operation: Operation, source: str, place: int) -> None:
        self.operations.append(operation)
        self.sources.append((source, place))

    def _add_blocks(self, step: Locals) -> None:
        places: dict[int, int] = {}
        for wire, run in sorted(step.runs.items()):
            places[wire] = len(self._runs)
            self._runs.append(run)
        for g, group in enumerate(self.groups):
            if not places.keys().isdisjoint(group):
                operation = Matrix(2**group.start, 2 ** len(group), g == len(self.groups) - 1)
                self._add(operation, "block", len(self._blocks))
                self._blocks.append([places.get(wire) for wire in group])

    def _injection(self, terms: list[Driven]) -> Inject:
        """The generators of a step's inputs as permutations with phases."""
        paulis = [pauli(self.n_wires, word, wires) for _, word, wires in terms]
        k = np.arange(2**self.n_wires)
        shape = (len(terms), self.high, self.low)
        source = np.stack([k ^ mask for mask, _ in paulis]).reshape(shape).swapaxes(0, 1)
        phases = np.stack([-0.5j * phases for _, phases in paulis]).reshape(shape).swapaxes(0, 1)
        inputs = [angle.input or 0 for angle, _, _ in terms]
        in_order = inputs == list(range(self.width - 1))
        indices = self.kind.indices
        return Inject(indices(inputs), indices(source), self.kind.complexes(phases), in_order)

    def _spread(self, source: Indices) -> Tensor:
        """Indices into ``2^n`` amplitudes as indices into the flattened ``(high, width, low)``."""
        high, low = np.divmod(source.reshape(self.high, 1, self.low), self.low)
        return self.kind.indices(((high * self.width + np.arange(self.width)[:, None]) * self.low + low).ravel())

    def _batches(self) -> list[Blocks]:
        """The blocks sorted by size and by whether an input enters; wires without a run take the last, an identity."""
        driven = {run: d for d, run in enumerate(self.runs.driven)}
        idle = len(self._runs)
        batches: dict[tuple[int, bool], dict[int, list[int]]] = {}
        for position, block in enumerate(self._blocks):
            sampled = any(run in driven for run in block)
            shared = [idle if run is None else run for run in block]
            rows = [driven.get(run, len(driven) + run) for run in shared] if sampled else shared
            batches.setdefault((len(block), sampled), {})[position] = rows
        return [Blocks(rows, sampled, self.kind) for (_, sampled), rows in batches.items()]

    def operands(self, inputs: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """What each operation takes, made from inputs ``(B, n_inputs)`` and weights ``(n_weights,)``."""
        padded = torch.cat([weights.to(inputs.dtype), self.zero_one])
        slopes = self.driven.slopes(padded)
        angles = self.driven.shared(padded)[:, None] + slopes[:, None] * inputs.T[self.driven.input]
        made = {
            "block": self._matrices(padded, angles),
            "phase": [f.view(len(f), self.high, 1, self.low) for f in self.phases.factors(padded, angles)],
            "slopes": [slopes[span] for span in self.spans],
            "none": [self.zero_one],
        }
        return tuple(made[source][place] for source, place in self.sources)

    def _matrices(self, padded: Tensor, angles: Tensor) -> list[Tensor]:
        """The matrices of all blocks."""
        shared = self.runs.shared(padded)
        table = torch.cat([shared, self.runs.identity[None]])[..., None]
        sampled = torch.cat([self.runs.sampled(shared, angles[self.local]), table.expand(-1, -1, -1, angles.shape[1])])
        made: dict[int, Tensor] = {}
        for batch in self.blocks:
            made.update(zip(batch.positions, batch.products(sampled if batch.sampled else table), strict=True))
        return [made[position] for position in range(len(made))]


def driven_terms(step: ProgramStep) -> list[Driven]:
    """The angles of a step that have an input, each with the Pauli word and wires of its generator."""
    if isinstance(step, Locals):
        first = ((wire, run[0]) for wire, run in sorted(step.runs.items()))
        return [(r.angle, LETTERS[r.axis], (wire,)) for wire, r in first if r.angle.input is not None]
    terms = step.terms if isinstance(step, Diagonal) else []
    return [(angle, "Z" * len(wires), wires) for angle, wires in terms if angle.input is not None]


def wire_groups(n_wires: int) -> tuple[range, ...]:
    """Neighbouring wires in as few groups as the largest size allows, of nearly equal sizes.

    With few wires, building matrices costs more than applying them: groups are kept small.
    """
    count = -(-n_wires // (MAX_GROUP if n_wires > 4 else 2))
    cuts = [n_wires * g // count for g in range(count + 1)]
    return tuple(range(a, b) for a, b in pairwise(cuts))


@lru_cache(maxsize=256)
@temporarily_clear_interpreter_stack()  # tensors made inside torch.func belong to that call; these are kept
def plan(circuit: Circuit, tangents: bool, real: torch.dtype, device: torch.device) -> Plan:
    """The plan of a circuit, made once for each precision and device."""
    return Plan(circuit, tangents, TensorKind(real, device))
