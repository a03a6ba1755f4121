"""The compiled simulator, built from `_native`; its Python side is `native`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

sources: str

def instruction_sets() -> list[str]: ...

class Simulator:
    def __init__(
        self,
        n_bits: int,
        n_inputs: int,
        n_weights: int,
        angle_parts: list[int],
        angle_numbers: list[float],
        rotations: list[int],
        run_start: list[int],
        terms: list[int],
        term_start: list[int],
        exchanges: list[int],
        exchange_start: list[int],
        n_outputs: int,
        words: list[int],
        coefficients: list[float],
        registers: list[int],
        register_bits: list[int],
        phase_re: float,
        phase_im: float,
        instruction_set: str,
    ) -> None: ...
    @property
    def instruction_set(self) -> str: ...
    @property
    def lanes_single(self) -> int: ...
    @property
    def lanes_double(self) -> int: ...
    def peak_flops(self, single: bool) -> float: ...
    def flops(self, reverse: bool, tangents: bool, state: bool) -> float: ...
    def saved_size_single(self, batch: int, n_states: int, wide: bool) -> int: ...
    def saved_size_double(self, batch: int, n_states: int, wide: bool) -> int: ...
    def forward(
        self,
        inputs: Floats,
        weights: Floats,
        values: Floats,
        jacobian: Floats,
        saved: Floats,
        state: bool,
        wide: bool,
        threads: int,
    ) -> float: ...
    def reverse(
        self,
        inputs: Floats,
        weights: Floats,
        saved: Floats,
        grad_values: Floats,
        grad_jacobian: Floats,
        grad_inputs: Floats,
        grad_weights: Floats,
        state: bool,
        wide: bool,
        threads: int,
    ) -> float: ...

class Spline:
    def __init__(
        self,
        bins: int,
        bound: float,
        narrowest: float,
        least_slope: float,
        unit_slope: float,
        cubic: bool,
        instruction_set: str,
    ) -> None: ...
    def forward(
        self, x: Floats, numbers: Floats, image: Floats, log_slope: Floats, dim: int, start: int, step: int
    ) -> None: ...
    def inverse(self, image: Floats, numbers: Floats, x: Floats, dim: int, start: int, step: int) -> None: ...
    def gradient(
        self,
        x: Floats,
        numbers: Floats,
        by_image: Floats,
        by_log_slope: Floats,
        by_x: Floats,
        by_numbers: Floats,
        dim: int,
        start: int,
        step: int,
    ) -> None: ...

Integers = NDArray[np.signedinteger[Any]]

class ZGates:
    def __init__(self, n_wires: int, gate_start: Integers, gate_wires: Integers, instruction_set: str) -> None: ...

class ZWords:
    def __init__(self, gates: ZGates, words: Integers) -> None: ...
    def phases(self, angles: Floats, samples: Integers, phases: Floats) -> None: ...
    def gradient(self, samples: Integers, by_phases: Floats, by_angles: Floats) -> None: ...
