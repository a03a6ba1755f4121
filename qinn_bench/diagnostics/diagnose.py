"""What a model could represent, measured on the model itself: its circuits, its Fisher information, its Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qinn_bench.contracts import DensityModel, Model
from qinn_bench.diagnostics import (
    dequantised,
    effective_dimension,
    expressibility,
    frequency_spectrum,
    gradient_variance,
    weight_ensembles,
)
from qinn_bench.diagnostics.gradient_variance import Cost
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.layer import CircuitLayer, circuit_layers
from qinn_bench.quantum.simulators.jacobian import by_backward_passes
from qinn_bench.seeds import numpy_rng
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Estimate, Refused, Value

QUBITS = (2, 4, 6, 8, 10)
NO_CIRCUIT = "no circuit"
FEWEST_WIRES = 2


class Diagnosis(Value):
    """One number about a model: which diagnostic it belongs to, which of its circuits, and what it is.

    `reference` is what the number is to be held against, such as its finite-sample floor; `of` says what that is.

    Example:
        >>> Diagnosis(what="entanglement", part="circuit", quantity="Meyer-Wallach",
        ...     found=Estimate(value=0.68)).found.value
        0.68
    """

    what: str
    part: str
    quantity: str
    found: Estimate
    reference: Estimate | None = None
    of: str = ""


@dataclass(frozen=True)
class Subject:
    """A model in float64 that is looked at.

    Attributes:
        model: with the weights that are meant, trained or not.
        again: the same model with new initial weights, for a number of features and a seed.
        rows: features of test rows, ``(k, dim)``.
        n: rows of the data set that effective dimensions refer to.
        sets: sets of parameters of an effective dimension; 1 looks at the model's own weights only.
        spread: every parameter of a set is moved from its initial value by up to this much, uniformly.

    Example:
        >>> from reference_models.bounds.gaussian import build
        >>> subject = Subject(build(2).double(), lambda dim, seed: build(dim).double(), torch.zeros(10, 2,
        ...     dtype=torch.float64), 1000)
        >>> [finding.quantity for finding in diagnose(subject, "directions")][:1]
        ['singular value 1 of 2 of dz/dx']
    """

    model: Model
    again: Callable[[int, int], Model]
    rows: Tensor
    n: int
    sets: int = 6
    spread: float = 0.1


def circuits(model: Model) -> dict[str, CircuitLayer]:
    """The circuits of a model by the name of their module; equal circuits are named once."""
    layers = circuit_layers(model)
    first: dict[Circuit, str] = {}
    for name, layer in layers.items():
        first.setdefault(layer.circuit, name)
    return {name: layers[name] for name in first.values()}


def expressibilities(subject: Subject) -> Iterator[Diagnosis]:
    """Of each circuit: over uniform weights, and at the model's own weights over inputs alone."""
    for part, circuit, kind, states in _ensembles(subject):
        rng = numpy_rng("expressibility", part, kind)
        half = len(states) // 2
        yield Diagnosis(
            what="expressibility",
            part=part,
            quantity=f"expressibility, {kind}",
            found=expressibility.expressibility(states[:half], states[half : 2 * half], rng),
            reference=expressibility.haar_floor(circuit.n_wires, half, rng),
            of=f"Haar states; idle: {expressibility.idle_expressibility(circuit.n_wires):.4g}",
        )


def entanglements(subject: Subject) -> Iterator[Diagnosis]:
    """The Meyer-Wallach entanglement of each circuit over the same states."""
    for part, circuit, kind, states in _ensembles(subject):
        yield Diagnosis(
            what="entanglement",
            part=part,
            quantity=f"Meyer-Wallach, {kind}",
            found=expressibility.meyer_wallach(states),
            reference=Estimate(value=expressibility.haar_entanglement(circuit.n_wires)),
            of="Haar mean",
        )


def _ensembles(subject: Subject) -> Iterator[tuple[str, Circuit, str, Tensor]]:
    """For each circuit its states at uniform and at its own weights; inputs are uniform in (0, pi)."""
    n = 2 * expressibility.PAIRS
    for part, layer in circuits(subject.model).items():
        circuit, rng = layer.circuit, torch_rng("states", part)
        if circuit.n_wires < FEWEST_WIRES:
            continue
        x = torch.pi * torch.rand(n, circuit.n_inputs, generator=rng, dtype=torch.float64)
        yield (
            part,
            circuit,
            "uniform weights",
            weight_ensembles.states(circuit, x, weight_ensembles.uniform(circuit, n, rng)),
        )
        own = layer.weights.detach().double().expand(n, -1)
        yield part, circuit, "own weights", weight_ensembles.states(circuit, x, own)


def spectra(subject: Subject, sets: int = 100) -> Iterator[Diagnosis]:
    """The Fourier spectrum of each circuit along its first input, scales at one, and its reach at the own weights."""
    for part, layer in circuits(subject.model).items():
        if not layer.circuit.n_inputs:
            continue
        seen = frequency_spectrum.spectrum(layer.circuit, 0, sets, torch_rng("spectrum", part))
        bound = Estimate(value=float(seen.bound))
        ratio = seen.variance[seen.degree] / seen.variance[1] if seen.degree else 0.0
        error = seen.error[seen.degree] / seen.variance[1] if seen.degree else None
        facts = {
            "highest frequency": (Estimate(value=float(seen.degree), n=sets), bound, "uploads allow"),
            "frequencies": (Estimate(value=float(seen.nonzero), n=sets), Estimate(value=2.0 * seen.bound + 1), "most"),
            "variance of the highest coefficient / of the first": (
                Estimate(value=float(ratio), error=None if error is None else float(error), n=sets), None, "",
            ),
            "highest frequency, own scales": (
                Estimate(value=frequency_spectrum.reach(layer.circuit, 0, layer.weights.detach())), bound,
                "scales of one",
            ),
        }  # fmt: skip
        for quantity, (estimate, reference, of) in facts.items():
            yield Diagnosis(what="spectrum", part=part, quantity=quantity, found=estimate, reference=reference, of=of)


def gradients(subject: Subject, sets: int = gradient_variance.SETS) -> Iterator[Diagnosis]:
    """The slope of log2 Var(d cost / d weight) against qubits, for uniform weights and for the model's own start.

    The model is built anew with 2 to 10 features; its first circuit is looked at.
    """
    if not circuits(subject.model):
        return
    costs: tuple[Cost, ...] = ("local", "global")
    variance_at: dict[tuple[Cost, str], dict[int, Estimate]] = {}
    for dim in QUBITS:
        rng = torch_rng("gradients", dim)
        layers = [next(iter(circuits(subject.again(dim, seed)).values())) for seed in range(sets)]
        circuit = layers[0].circuit
        x = torch.pi * torch.rand(sets, circuit.n_inputs, generator=rng, dtype=torch.float64)
        starts = torch.stack([layer.weights.detach().double() for layer in layers])
        for kind, weights in (("uniform weights", weight_ensembles.uniform(circuit, sets, rng)), ("own start", starts)):
            for cost in costs:
                variance = gradient_variance.gradient_variance(circuit, cost, x, weights)
                if variance.value:
                    variance_at.setdefault((cost, kind), {})[circuit.n_wires] = variance
    part = next(iter(circuits(subject.model)))
    for (cost, kind), variances in variance_at.items():
        if len(variances) < FEWEST_WIRES + 1:
            continue
        line = gradient_variance.slope(variances)
        yield Diagnosis(
            what="gradients",
            part=part,
            quantity=f"log2 gradient variance a qubit, {cost} cost, {kind}",
            found=Estimate(value=line.value, error=line.error, n=sets),
            reference=Estimate(value=-1.0),
            of=f"barren plateau; 95 %: {line.interval[0]:.2f} to {line.interval[1]:.2f}",
        )


def effective_dimensions(subject: Subject) -> Iterator[Diagnosis]:
    """The normalised effective dimension: global over sets of parameters, or local at the model's own weights."""
    model = subject.model
    if not isinstance(model, DensityModel):
        raise Refused(f"{type(model).__name__} states no density with a map to a latent, so it has no Fisher matrix")
    kind = "local" if subject.sets == 1 else "global"
    rng = numpy_rng("effective dimension")
    sets = [effective_dimension.trained_parameters(model)] if subject.sets == 1 else _parameter_sets(subject)
    dimension = effective_dimension.effective_dimension(model, sets, subject.rows, subject.n, rng)
    said = f"{dimension.sets} sets, {dimension.rows} rows" + (
        f", {dimension.dropped} not finite" if dimension.dropped else ""
    )
    yield Diagnosis(
        what="effective-dimension",
        part="model",
        quantity=f"d_eff / d, {kind}",
        found=Estimate(
            value=dimension.share,
            error=None if dimension.error is None else dimension.error / dimension.parameters,
            n=dimension.sets,
        ),
        reference=Estimate(value=min(1.0, dimension.rows / dimension.parameters)),
        of=f"most that the rows allow, about; d = {dimension.parameters}; {said}",
    )


def _parameter_sets(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Initial parameters of several seeds, each moved a little."""
    rng, dim = torch_rng("parameter sets"), subject.rows.shape[1]
    for seed in range(subject.sets):
        start = effective_dimension.trained_parameters(_density(subject.again(dim, seed)))
        moves = {k: 2 * torch.rand(v.shape, generator=rng, dtype=torch.float64) - 1 for k, v in start.items()}
        yield {name: value.double() + subject.spread * moves[name] for name, value in start.items()}


def _density(model: Model) -> DensityModel:
    assert isinstance(model, DensityModel)
    return model


def dequantisations(subject: Subject) -> Iterator[Diagnosis]:
    """The parameters of the classical twins of each circuit at its own weights, beside how many weights it has."""
    for part, layer in circuits(subject.model).items():
        weights, own = layer.weights.detach(), Estimate(value=float(layer.circuit.n_weights))
        for quantity, found, of in dequantised.twins(layer.circuit, weights, torch_rng("dequantised", part)):
            yield Diagnosis(what="dequantised", part=part, quantity=quantity, found=found, reference=own, of=of)


def directions(subject: Subject) -> Iterator[Diagnosis]:
    """The singular values of dz/dx over test rows: largest, median, smallest, and which feature each points along."""
    model = _density(subject.model)
    values, shares = principal_directions(model, subject.rows)
    n, dim = values.shape
    for place in sorted({0, dim // 2, dim - 1}):
        column = values[:, place]
        low, high = np.quantile(column, [0.16, 0.84])
        leading = int(shares[place].argmax())
        yield Diagnosis(
            what="directions",
            part="model",
            quantity=f"singular value {place + 1} of {dim} of dz/dx",
            found=Estimate(value=float(column.mean()), error=float(column.std(ddof=1) / n**0.5), n=n),
            reference=Estimate(value=float(shares[place][leading])),
            of=f"share of feature {leading}; 16 to 84 % of rows: {low:.3g} to {high:.3g}",
        )


def principal_directions(model: DensityModel, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Singular values of dz/dx ``(n, dim)``, largest first, and the mean squared components of their directions.

    Row k of the second array, ``(dim, dim)``, says how much of the k-th direction lies along each feature; the data
    are widest along the directions of the smallest values.
    """
    with torch.no_grad():
        _, jacobian = by_backward_passes(lambda x: model.forward(x)[0], rows)
    _, values, right = torch.linalg.svd(jacobian)
    return values.numpy(), right.square().mean(0).numpy()


DIAGNOSTICS: dict[str, Callable[[Subject], Iterator[Diagnosis]]] = {
    "effective-dimension": effective_dimensions,
    "expressibility": expressibilities,
    "entanglement": entanglements,
    "spectrum": spectra,
    "gradients": gradients,
    "dequantised": dequantisations,
    "directions": directions,
}
OF_CIRCUITS = ("expressibility", "entanglement", "spectrum", "gradients", "dequantised")


def diagnose(subject: Subject, what: str) -> list[Diagnosis]:
    """One diagnostic of a model; a classical one has no findings about circuits but that it has none.

    Raises:
        Refused: the model states no density where one is needed.
    """
    if what in OF_CIRCUITS and not circuits(subject.model):
        return [Diagnosis(what=what, part="model", quantity=what, found=Estimate(value=None, note=NO_CIRCUIT))]
    return list(DIAGNOSTICS[what](subject))
