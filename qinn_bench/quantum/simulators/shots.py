"""Finite shots: readouts estimated from sampled outcomes, and their derivatives by the parameter-shift rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qinn_bench.quantum.circuit import Circuit, Gate
from qinn_bench.quantum.compiler.opened import opened, radians
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.quantum.simulators.jacobian import untrainable
from qinn_bench.quantum.simulators.measurement import Setting, marginal, measurement
from qinn_bench.quantum.simulators.shifts import Evaluate, along_inputs, derivatives
from qinn_bench.values import Refused

Outcomes = Callable[[Circuit, Tensor], list[Tensor]]
"""From a circuit and the angles of its opened form, ``(B, n_angles)``, to the probabilities of each setting."""
TO_Z: dict[str, tuple[Gate, ...]] = {
    "X": (Gate("H", (0,)),),
    "Y": (Gate("Z", (0,)), Gate("S", (0,)), Gate("H", (0,))),
    "Z": (),
}


class Shots:
    """Estimates from a number of shots of each measurement setting, as a device without errors would give them.

    Words that agree in the basis of the wires they share are read off the same bitstrings, so their errors are
    correlated; words that need other bases get shots of their own. A derivative is that of the parameter-shift rule
    (arXiv:1811.11184) for every elementary rotation, ``(f(angle + pi/2) - f(angle - pi/2))/2``, each value with as many
    shots again; it is an unbiased estimate. Jacobians are values, and training through them is refused.

    The stream of outcomes belongs to the object: its n-th call gives the same bits for the same seed.
    """

    def __init__(self, name: str, shots: int, seed: int, outcomes: Outcomes | None = None) -> None:
        self.name, self.shots = name, shots
        self._rng = np.random.default_rng(seed)
        self._outcomes = outcomes or exact_outcomes
        self._refusal = f"backend '{name}' cannot train through a Jacobian: that would need shots of second derivatives"

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Estimates of the readout, ``(B, n_outputs)``, once differentiable."""
        angles = radians(circuit, inputs).rows(inputs, weights)
        values: Tensor = _Shifted.apply(angles, circuit, self._estimate)  # type: ignore[no-untyped-call]
        return values

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Estimates of the readout and of its derivatives along the inputs, ``(B, n_outputs, n_inputs)``."""
        values = self.run(circuit, inputs, weights)
        with torch.no_grad():
            jacobian = along_inputs(self._estimate, circuit, inputs, weights)
        return values, untrainable(jacobian, weights, self._refusal)

    def state(self, *_: object, **__: object) -> Tensor:
        """Refused: shots do not show amplitudes."""
        raise Refused(f"backend '{self.name}' gives no amplitudes; backends that do: torch, native, default.qubit")

    def _estimate(self, circuit: Circuit, angles: Tensor) -> Tensor:
        """Outputs from the frequencies of sampled outcomes."""
        frequencies = [self._sampled(p).to(angles) for p in self._outcomes(circuit, angles)]
        return measurement(circuit.readout).outputs(frequencies, angles)

    def _sampled(self, probabilities: Tensor) -> Tensor:
        """The share of the shots with each outcome; counts of independent shots are multinomial."""
        chances = probabilities.detach().double().cpu().numpy().clip(0)
        return torch.from_numpy(self._rng.multinomial(self.shots, chances / chances.sum(1, keepdims=True)) / self.shots)


def exact_outcomes(circuit: Circuit, angles: Tensor) -> list[Tensor]:
    """The outcome probabilities ``(B, 2^wires)`` of each setting, on the compiled kernel where it can run."""
    engine = native if native.AVAILABLE and angles.device.type == "cpu" else statevector
    none = angles.new_zeros(0)
    with torch.no_grad():
        return [
            marginal(engine.state(turned, angles, none).abs().square(), setting.wires)
            for setting, turned in _turned(circuit)
        ]


@lru_cache(maxsize=64)
def _turned(circuit: Circuit) -> list[tuple[Setting, Circuit]]:
    """The settings of a circuit's readout, and the opened circuit followed by the turns of each basis to Z."""
    plain = opened(circuit).circuit
    made = []
    for setting in measurement(circuit.readout).settings:
        letters = zip(setting.wires, setting.basis, strict=True)
        turns = (replace(gate, wires=(wire,)) for wire, letter in letters for gate in TO_Z[letter])
        made.append((setting, replace(plain, gates=(*plain.gates, *turns), readout=())))
    return made


class _Shifted(torch.autograd.Function):
    """An estimate as a function of the angles ``(B, n_angles)``, differentiated by shifting each of them."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, circuit: Circuit, estimate: Evaluate) -> Tensor:
        """``(B, n_outputs)``."""
        ctx.save_for_backward(angles)
        ctx.circuit, ctx.estimate = circuit, estimate
        return estimate(circuit, angles)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None, None]:
        """``(B, n_angles)``."""
        (angles,) = ctx.saved_tensors
        found = derivatives(ctx.estimate, ctx.circuit, angles, list(range(angles.shape[1])))
        return torch.einsum("bo,boa->ba", cotangents[0], found), None, None
