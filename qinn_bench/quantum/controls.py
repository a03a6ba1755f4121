"""Controls of a quantum model: the model with its circuits frozen, without entanglers, or with classical stand-ins.

``frozen`` holds each circuit at its own seeded random start; ``unentangled`` takes out every gate on two or more wires;
``fourier`` and ``tanh`` put classical layers of about as many parameters in the place of the circuits. What beats none
of these shows no effect of its circuits. ``untrained`` changes nothing here: no training step is taken.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from qinn_bench.contracts import Generator, Model, Reconstructor, Scorer
from qinn_bench.quantum import stand_ins
from qinn_bench.quantum.circuit import Circuit, Observable, WeightedSum
from qinn_bench.quantum.layer import CircuitLayer, circuit_layers
from qinn_bench.quantum.simulators import statevector
from qinn_bench.quantum.visibility import blind_weights, trimmed, with_gates
from qinn_bench.values import Control, Refused

ROWS, SPREAD = 1024, 1.5
"""Stand-ins are fitted where the circuits are met when the model is given so many rows of so wide a normal."""


def apply(model: Model, control: Control, rng: torch.Generator) -> None:
    """Turn a newly built model into one of its controls, in place; `rng` decides what stand-ins draw.

    Every control starts where the model starts, stand-ins as nearly as a least-squares fit comes.

    Raises:
        Refused: the model has no circuit, or a stand-in is asked for a circuit whose states the model compares, that
            has no weights, or of which the probabilities of outcomes are read.
    """
    if control in ("", "untrained"):
        return
    layers = circuit_layers(model)
    if not layers:
        raise Refused(f"control '{control}' is for models with circuits, but {type(model).__name__} has none")
    if control == "frozen":
        for layer in layers.values():
            layer.weights.requires_grad_(False)
    elif control == "unentangled":
        for layer in layers.values():
            layer.circuit, kept = unentangled(layer.circuit)
            layer.weights = nn.Parameter(layer.weights.detach()[kept], requires_grad=layer.weights.requires_grad)
    else:
        _check_replaceable(model, layers)
        for name, inputs in _met(model, layers, rng).items():
            model.set_submodule(name, _stand_in(control, layers[name], inputs, rng))


def unentangled(circuit: Circuit) -> tuple[Circuit, list[int]]:
    """The circuit without gates on two or more wires, and which of its weights are left.

    Wires that are not read, and weights that no gate takes any more, are left out; so are gates that the readout does
    not see now, unless the circuit had such gates before. A block that lost some of its weights becomes flat.
    """
    wires = sorted({wire for observable in circuit.readout for wire in _wires(observable)})
    alone, kept = with_gates(circuit, [g for g in circuit.gates if len(g.wires) == 1 and g.wires[0] in wires])
    pruned = replace(
        alone,
        n_wires=len(wires),
        gates=tuple(replace(gate, wires=(wires.index(gate.wires[0]),)) for gate in alone.gates),
        readout=tuple(_moved(observable, wires) for observable in circuit.readout),
    )
    if blind_weights(circuit):
        return pruned, kept
    fewer, left = trimmed(pruned)
    return fewer, [kept[k] for k in left]


def _wires(observable: Observable) -> tuple[int, ...]:
    if isinstance(observable, WeightedSum):
        return tuple(wire for word in observable.paulis for wire in word.wires)
    return observable.wires


def _moved(observable: Observable, wires: list[int]) -> Observable:
    if isinstance(observable, WeightedSum):
        words = tuple(replace(word, wires=tuple(map(wires.index, word.wires))) for word in observable.paulis)
        return replace(observable, paulis=words)
    return replace(observable, wires=tuple(map(wires.index, observable.wires)))


class _Witness(nn.Module):
    """A circuit that keeps the inputs it is given."""

    def __init__(self, layer: CircuitLayer) -> None:
        super().__init__()
        self.layer = layer
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.inputs.append(x)
        return statevector.run(self.layer.circuit, x, self.layer.weights)

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.inputs.append(x)
        return statevector.run_with_jacobian(self.layer.circuit, x, self.layer.weights)

    def state(self, x: Tensor) -> Tensor:
        return statevector.state(self.layer.circuit, x, self.layer.weights)


def _check_replaceable(model: Model, layers: dict[str, CircuitLayer]) -> None:
    for name, layer in layers.items():
        if layer.circuit.n_outputs != len(layer.circuit.readout):
            raise Refused(
                f"circuit '{name}' of {type(model).__name__} gives the probabilities of its outcomes, which no bounded "
                "classical layer can stand in for"
            )
        if not layer.circuit.n_weights:
            raise Refused(
                f"circuit '{name}' of {type(model).__name__} has no weights, so that no classical layer of as many "
                "parameters can stand in for it"
            )


@torch.no_grad()
def _met(model: Model, layers: dict[str, CircuitLayer], rng: torch.Generator) -> dict[str, Tensor]:
    """The inputs that each circuit meets when the model is given rows of a wide normal, or its own noise."""
    witnesses = {name: _Witness(layer) for name, layer in layers.items()}
    for name, witness in witnesses.items():
        model.set_submodule(name, witness)
    weight = next(model.parameters())
    rows = SPREAD * torch.randn(ROWS, model.dim, generator=rng).to(weight)
    known = (torch.randn(ROWS, model.conditions, generator=rng).to(weight),) if model.conditions else ()
    if isinstance(model, Generator):
        model.generate(model.noise(ROWS, rng).to(weight), *known)
    else:
        _ask(model, rows.reshape(-1, *model.shape), *known)
    for name, witness in witnesses.items():
        model.set_submodule(name, witness.layer)
        if not witness.inputs:
            raise Refused(
                f"circuit '{name}' of {type(model).__name__} gives states that are compared and no numbers, which no "
                "classical layer can stand in for; a QINN does so with fidelity > 0"
            )
    return {name: torch.cat(witness.inputs) for name, witness in witnesses.items()}


def _ask(model: Model, rows: Tensor, *known: Tensor) -> None:
    """Let a model do with rows, and their conditions if any, what its circuits are for."""
    if isinstance(model, Scorer):
        model.score(rows, *known)
    elif isinstance(model, Reconstructor):
        model.reconstruct(rows, *known)
    else:
        model(rows, *known)


def _stand_in(control: Control, layer: CircuitLayer, inputs: Tensor, rng: torch.Generator) -> nn.Module:
    x = inputs.double()
    y = statevector.run(layer.circuit, x, layer.weights.detach().double())
    made: nn.Module
    if control == "fourier":
        made = polynomial = stand_ins.fourier(layer.circuit, rng)
        polynomial.start_at(x, y)
    else:
        made = dense = stand_ins.tanh_layer(layer.circuit)
        dense.start_at(x, y, rng)
    return made.to(layer.weights)
