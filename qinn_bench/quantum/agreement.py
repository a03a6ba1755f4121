"""Does each simulator that is here give what PennyLane's default.qubit gives, and the same again for the same seed?"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from qinn_bench.quantum import backends
from qinn_bench.quantum.circuit import (
    ANGLES,
    WIRES,
    AllZero,
    Angle,
    Circuit,
    Gate,
    GateName,
    Pauli,
    Probabilities,
    WeightBlock,
    WeightedSum,
)
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Refused

REFERENCE = "default.qubit"
TOLERANCE = 1e-10
SHOTS = 4096
SIGMAS = 5.0
"""Beyond so many standard errors a sampled readout is called wrong; by chance that happens once in 10^5 checks."""
ASKED = (f"shots:{SHOTS}", "noisy:depolarizing=0.0")
"""Checked beside the simulators that need no options."""


@dataclass(frozen=True)
class BackendAgreement:
    """What is found of one backend; differences are the largest absolute ones to the reference in complex128.

    A difference is None where the backend cannot give the quantity. Of sampled readouts `values` is in standard errors.

    Example:
        >>> BackendAgreement("native", "", values=1e-15, gradients=1e-14).sound
        True
    """

    backend: str
    reason: str
    values: float | None = None
    gradients: float | None = None
    jacobian: float | None = None
    nll: float | None = None
    seeds: str = ""
    exact: bool = True

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong: a backend that is not here is no fault."""
        differences = (self.values, self.gradients, self.jacobian, self.nll)
        limit = TOLERANCE if self.exact else SIGMAS
        return all(value is None or value <= limit for value in differences) and self.seeds != "not at all"


def checkup() -> tuple[BackendAgreement, ...]:
    """Every backend in turn, on a circuit of four wires that holds every gate and every kind of readout."""
    circuit, inputs, weights = _case()
    reference = _answers(REFERENCE, circuit, inputs, weights)
    return tuple(_examine(name, circuit, inputs, weights, reference) for name in (*backends.names()[1:], *ASKED))


Quantities = dict[str, Tensor | None]


def _examine(name: str, circuit: Circuit, inputs: Tensor, weights: Tensor, reference: Quantities) -> BackendAgreement:
    if reason := backends.why_not(name):
        return BackendAgreement(name, reason)
    seeds = _seeds(name, circuit, inputs, weights)
    if name.startswith("shots"):
        return BackendAgreement(name, "", _standard_errors(name, circuit, inputs, weights), seeds=seeds, exact=False)
    answers = _answers(name, circuit, inputs, weights)
    values, gradients, jacobian, nll = (_difference(answers[what], reference[what]) for what in reference)
    return BackendAgreement(name, "", values, gradients, jacobian, nll, seeds)


def _difference(a: Tensor | None, b: Tensor | None) -> float | None:
    return None if a is None or b is None else (a - b).abs().max().item()


def _answers(name: str, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Quantities:
    """Values, gradients of inputs and weights, Jacobian, and gradients of a log-determinant of it."""
    simulator = backends.get(name, seed=1)
    x, w = inputs.clone().requires_grad_(), weights.clone().requires_grad_()
    values = simulator.run(circuit, x, w)
    gradients = torch.cat([g.flatten() for g in torch.autograd.grad(values.square().sum(), (x, w))])
    try:
        again, jacobian = simulator.run_with_jacobian(circuit, x, w)
        square = jacobian.mT @ jacobian + torch.eye(inputs.shape[1], dtype=inputs.dtype)
        loss = torch.linalg.slogdet(square)[1].sum() + again.square().sum()
        nll = torch.cat([g.flatten() for g in torch.autograd.grad(loss, (x, w))])
    except Refused:
        jacobian, nll = backends.get(name, seed=1).run_with_jacobian(circuit, inputs, weights)[1], None
    return {"values": values.detach(), "gradients": gradients, "jacobian": jacobian.detach(), "nll": nll}


def _seeds(name: str, circuit: Circuit, inputs: Tensor, weights: Tensor) -> str:
    """What the backend promises of equal seeds, or "not at all" where two runs show that it does not keep it."""
    first, again = (backends.get(name, seed=7).run(circuit, inputs, weights) for _ in range(2))
    promised = backends.seeds_honoured(name)
    return promised if promised == "statistical" or torch.equal(first, again) else "not at all"


def _standard_errors(name: str, circuit: Circuit, inputs: Tensor, weights: Tensor) -> float:
    """The largest deviation of a sampled Pauli word, in its standard errors."""
    words = Circuit(circuit.n_wires, circuit.n_inputs, circuit.weights, circuit.gates, _words(circuit.n_wires))
    exact = backends.get(REFERENCE).run(words, inputs, weights)
    error = ((1 - exact.square()).clamp_min(1 / SHOTS) / SHOTS).sqrt()
    return ((backends.get(name, seed=3).run(words, inputs, weights) - exact) / error).abs().max().item()


def _words(n_wires: int) -> tuple[Pauli, ...]:
    return tuple(Pauli(letter, (wire,)) for letter in "XYZ" for wire in range(n_wires))


def _case() -> tuple[Circuit, Tensor, Tensor]:
    """Four wires, three inputs; each gate once, in an order and with angles drawn from a name."""
    n, n_inputs, rng = 4, 3, numpy_rng("checkup")
    names: list[GateName] = list(get_args(GateName))
    gates, n_weights = [Gate("H", (wire,)) for wire in range(n)], 0
    for at in rng.permutation(len(names)):
        name, angles = names[at], []
        for _ in range(ANGLES.get(name, 0)):
            angles.append(Angle(n_weights, int(rng.integers(n_inputs)), n_weights + 1))
            n_weights += 2
        gates.append(Gate(name, tuple(rng.permutation(n)[: WIRES.get(name, 1)].tolist()), tuple(angles)))
    mixed = WeightedSum((0.5, -sqrt(2), 1.0), (Pauli("XY", (0, 2)), Pauli("Z", (3,)), Pauli("", ())))
    readout = (Pauli("ZZ", (0, 3)), Pauli("XYZ", (1, 0, 2)), mixed, Probabilities((2, 0)), AllZero((1, 3)))
    circuit = Circuit(n, n_inputs, (WeightBlock("w", (n_weights,)),), tuple(gates), readout)
    inputs = torch.as_tensor(rng.uniform(-pi, pi, (3, n_inputs)))
    return circuit, inputs, torch.as_tensor(np.asarray(rng.uniform(-pi, pi, n_weights)))
