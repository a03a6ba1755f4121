"""How gradients of a circuit shrink with the number of qubits: barren plateaus (McClean et al., arXiv:1803.11173)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from qinn_bench.diagnostics.weight_ensembles import outputs
from qinn_bench.quantum.circuit import AllZero, Circuit, Pauli
from qinn_bench.values import Array, Estimate, Value

Cost = Literal["local", "global"]
SETS = 200


class Slope(Value):
    """A straight line through log2 of variances against qubits: its slope, standard error and 95 % interval.

    Example:
        >>> line = slope({n: Estimate(value=2.0**-n, error=2.0**-n / 10) for n in (2, 4, 6)})
        >>> round(line.value, 3)
        -1.0
    """

    value: float
    error: float
    interval: tuple[float, float]


def gradient_variance(circuit: Circuit, cost: Cost, inputs: Tensor, weights: Tensor) -> Estimate:
    """The variance over sets of weights of d cost / d weight, averaged over the weights.

    `inputs` are ``(sets, n_inputs)``, `weights` ``(sets, n_weights)``. The local cost is <Z> of the first wire, the
    global one the probability that all wires are measured 0. The error is that of a mean over sets.
    """
    wires = tuple(range(circuit.n_wires))
    asked = replace(circuit, readout=(Pauli("Z", (0,)) if cost == "local" else AllZero(wires),))
    leaf = weights.detach().clone().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(outputs(asked, inputs, leaf).sum(), leaf)
    sets = len(gradient)
    each = (gradient - gradient.mean(0)).square().mean(1) * (sets / (sets - 1))
    return Estimate(value=float(each.mean()), error=float(each.std() / sets**0.5), n=sets)


def slope(variances: Mapping[int, Estimate]) -> Slope:
    """The slope of log2 variance for each qubit, by weighted least squares; -1 or steeper is a barren plateau.

    The error is enlarged where the points scatter by more than their own errors.

    Raises:
        ValueError: fewer than three numbers of qubits.
    """
    if len(variances) < 3:
        raise ValueError(f"a slope with an error needs at least three numbers of qubits, got {len(variances)}")
    n = np.array(sorted(variances), dtype=np.float64)
    value, error = (np.array([getattr(variances[int(k)], part) for k in n]) for part in ("value", "error"))
    sigma = error / (value * np.log(2))
    fitted, own, chi2 = _line(n, np.log2(value), sigma)
    freedom = len(n) - 2
    error_of = own * max(1.0, chi2 / freedom) ** 0.5
    half = float(student.ppf(0.975, freedom)) * error_of
    return Slope(value=fitted, error=error_of, interval=(fitted - half, fitted + half))


def _line(x: Array, y: Array, sigma: Array) -> tuple[float, float, float]:
    """Slope, its standard error and chi2 of a straight line through points with these errors."""
    weight = sigma**-2.0
    centre, level = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = float(np.sum(weight * (x - centre) ** 2))
    steepness = float(np.sum(weight * (x - centre) * (y - level)) / spread)
    chi2 = float(np.sum(weight * (y - level - steepness * (x - centre)) ** 2))
    return steepness, spread**-0.5, chi2
