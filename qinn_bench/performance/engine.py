"""The engine's workload: one circuit family, one problem, the same three steps on every simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import pi
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from qinn_bench.performance import peers
from qinn_bench.performance.peers import Problem
from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import Circuit, Gate
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Refused

Step = Callable[[], tuple[Any, ...]]
"""One unit of work, ready to be repeated; it returns its results, so that simulators can be compared."""
Mode = Literal["forward", "gradient", "nll"]
MODES: tuple[Mode, ...] = get_args(Mode)
SINGLE = ("native", "torch", "jax")
"""Simulators that compute in complex64; the others know complex128 only."""
FORMS = ("rot", "complex64", "complex128", "cuda")
EXTRA_FORMS = ("native:complex128", "default.qubit:rot")
"""Forms that ``all`` contains beside the simulators as they are."""
SAMPLED = ("shots:", "noisy:")
LAYERS = 4


@dataclass(frozen=True)
class Candidate:
    """A simulator in one form: its name as asked, the simulator's own name, precision, device, and how gates are given.

    `rot` gives the three trained rotations of a wire as one Rot; otherwise they are three gates, as one would write.
    """

    name: str
    simulator: str
    precision: Literal["complex64", "complex128"]
    device: Literal["cpu", "cuda"] = "cpu"
    rot: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether the work is done elsewhere than on the CPU, so that CPU time says nothing."""
        return self.device == "cuda" or self.simulator.endswith(".gpu")


def candidate(name: str) -> Candidate:
    """Read ``SIMULATOR[:FORM...]`` with the forms rot, complex64, complex128 and cuda.

    Raises:
        Refused: a precision that the simulator does not have, or a device that it does not know.
    """
    parts, forms = name.split(":"), []
    while len(parts) > 1 and parts[-1] in FORMS:
        forms.append(parts.pop())
    simulator = ":".join(parts)
    if "complex64" in forms and simulator not in SINGLE:
        raise Refused(f"'{name}' asks for complex64, but {simulator} computes in complex128 only")
    if "cuda" in forms and simulator != "torch":
        raise Refused(f"'{name}' asks for CUDA; the form 'cuda' exists for torch")
    single = simulator in SINGLE and "complex128" not in forms
    return Candidate(
        name, simulator, "complex64" if single else "complex128", "cuda" if "cuda" in forms else "cpu", "rot" in forms
    )


def candidates() -> tuple[str, ...]:
    """What ``all`` stands for: every exact simulator of the suite, PennyLane's in each form, and the peers."""
    found: list[str] = []
    for name in backends.names()[1:]:
        found += [name, *(form for form in EXTRA_FORMS if candidate(form).simulator == name)]
    return (*found, *peers.PEERS)


def check_names(names: Sequence[str]) -> None:
    """Refuse names that no simulator has; one that cannot run here is no error.

    Raises:
        Refused: an unknown name; the message lists those that exist.
    """
    for name in names:
        simulator = candidate(name).simulator
        if simulator.startswith(SAMPLED):
            backends.parse(simulator)
        elif simulator not in (*backends.names(), *peers.PEERS):
            raise Refused(f"no backend is called '{name}'; there are: {', '.join(candidates())}")


def circuit(n_qubits: int, layers: int = LAYERS, *, rot: bool = False) -> Circuit:
    """Per layer RY(scale x + shift), RZ, RY, RZ on each wire and a ring of CNOTs; read out is <Z> of every wire.

    Weight blocks: "scale" (layers, n), "shift" (layers, n), "rot" (layers, 1, n, 3). With `rot` the three trained
    rotations are one Rot.
    """
    made = reuploading(n_qubits, uploads=layers, entangler="cnot")
    return made if rot else replace(made, gates=tuple(part for gate in made.gates for part in _spelled(gate)))


def _spelled(gate: Gate) -> tuple[Gate, ...]:
    if gate.name != "Rot":
        return (gate,)
    first, middle, last = ((angle,) for angle in gate.angles)
    return (Gate("RZ", gate.wires, first), Gate("RY", gate.wires, middle), Gate("RZ", gate.wires, last))


def problem(n_qubits: int, batch: int, layers: int = LAYERS) -> Problem:
    """Inputs in [-1, 1], weights and targets from a seed of the shape's name, in float64."""
    rng = numpy_rng("engine", n_qubits, batch, layers)
    scale, shift = rng.uniform(0.5, 1.5, (layers, n_qubits)), rng.uniform(-pi, pi, (layers, n_qubits))
    angles = rng.uniform(-pi, pi, (layers, n_qubits, 3))
    inputs, targets = rng.uniform(-1, 1, (2, batch, n_qubits))
    return Problem(inputs, scale, shift, angles, targets)


def step(backend: str, n_qubits: int, batch: int, mode: Mode, layers: int = LAYERS) -> Step:
    """One step of a mode on a backend in one of its forms (see `candidate`).

    ``forward`` returns values (B, n); ``gradient`` the mean squared error to targets and its gradients with respect
    to the weights (flat, in the order of `circuit`) and the inputs; ``nll`` the mean of z^2/2 - log|det dz/dx| for
    values z, from the exact n x n Jacobian, and its gradient with respect to the weights.

    The number of threads is that of ``torch.set_num_threads`` and of ``OMP_NUM_THREADS``; JAX is held to one.

    Raises:
        Refused: no such backend or mode, one that cannot run here, or one that does not know the mode.
    """
    if mode not in MODES:
        raise Refused(f"no mode is called '{mode}'; there are: {', '.join(MODES)}")
    check_names([backend])
    chosen = candidate(backend)
    posed = problem(n_qubits, batch, layers)
    if chosen.simulator in peers.PEERS:
        return peers.step(chosen.simulator, posed, mode, chosen.precision)
    return _torch_step(chosen, posed, mode)


def _torch_step(chosen: Candidate, posed: Problem, mode: Mode) -> Step:
    simulator: Any = backends.get(chosen.simulator)
    if mode == "nll" and chosen.simulator.startswith("lightning."):
        raise Refused(f"{chosen.simulator} gives first derivatives only, so it has no gradient of a Jacobian")
    if chosen.device == "cuda" and not torch.cuda.is_available():
        raise Refused("device 'cuda' was asked for, but torch finds no CUDA device")
    n_layers, n_qubits = posed.scale.shape
    gates = circuit(n_qubits, n_layers, rot=chosen.rot)
    real = torch.float32 if chosen.precision == "complex64" else torch.float64
    inputs, weights, targets = (
        torch.as_tensor(array, dtype=real, device=chosen.device)
        for array in (posed.inputs, posed.weights, posed.targets)
    )
    steps = {
        "forward": lambda: _forward(simulator.run, gates, inputs, weights),
        "gradient": lambda: _gradient(simulator.run, gates, inputs, weights, targets),
        "nll": lambda: _nll(simulator.run_with_jacobian, gates, inputs, weights),
    }
    return _synchronised(steps[mode]) if chosen.device == "cuda" else steps[mode]


def _synchronised(work: Step) -> Step:
    def waited() -> tuple[Any, ...]:
        results = work()
        torch.cuda.synchronize()
        return results

    return waited


def _forward(run: Callable[..., Tensor], gates: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return (run(gates, inputs, weights),)


def _gradient(
    run: Callable[..., Tensor], gates: Circuit, inputs: Tensor, weights: Tensor, targets: Tensor
) -> tuple[Tensor, ...]:
    x, w = inputs.clone().requires_grad_(), weights.clone().requires_grad_()
    loss = (run(gates, x, w) - targets).square().mean()
    return loss.detach(), *torch.autograd.grad(loss, (w, x))


def _nll(
    run_with_jacobian: Callable[..., tuple[Tensor, Tensor]], gates: Circuit, inputs: Tensor, weights: Tensor
) -> tuple[Tensor, ...]:
    w = weights.clone().requires_grad_()
    values, jacobian = run_with_jacobian(gates, inputs, w)
    loss = values.square().sum(1).mean() / 2 - torch.linalg.slogdet(jacobian).logabsdet.mean()
    return loss.detach(), *torch.autograd.grad(loss, w)
