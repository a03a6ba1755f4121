"""The kernel's constructor refuses damaged tables with a sentence; whatever it takes can be computed with."""

from __future__ import annotations

import os
import subprocess
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Gate, Pauli, Probabilities, WeightBlock, WeightedSum
from qinn_bench.quantum.compiler import lowering
from qinn_bench.quantum.simulators import native
from qinn_bench.values import Refused

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

MOST = 2**31 - 1
INTEGERS = st.sampled_from([-MOST - 1, -2, -1, 0, 1, 2, 3, 4, 7, 30, 31, 1 << 24, MOST]) | st.integers(-40, 40)
NUMBERS = st.sampled_from([nan, inf, -inf, 0.0, 1e308, -1.0])


def circuit() -> Circuit:
    """Every kind of row in every table."""
    gates = (
        Gate("H", (0,)),
        Gate("RX", (1,), (Angle(0, 0, 1),)),
        Gate("CNOT", (0, 1)),
        Gate("IsingZZ", (1, 2), (Angle(2, 1),)),
        Gate("Toffoli", (0, 1, 2)),
        Gate("Rot", (2,), (Angle(1), Angle(constant=0.3), Angle(2, 1))),
        Gate("CSWAP", (2, 1, 0)),
        Gate("CPhase", (0, 2), (Angle(0),)),
    )
    mixed = WeightedSum((0.5, -1.0), (Pauli("XY", (0, 1)), Pauli("", ())))
    readout = (Pauli("Z", (0,)), mixed, Probabilities((2, 0)), AllZero((1,)))
    return Circuit(3, 2, (WeightBlock("w", (3,)),), gates, readout)


TABLES = lowering.tables_of(circuit())


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    tables = {name: list(value) if isinstance(value, list) else value for name, value in TABLES.items()}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(tables)))
        value = tables[name]
        whole = name not in ("angle_numbers", "coefficients", "phase_re", "phase_im")
        if not isinstance(value, list):
            tables[name] = draw(INTEGERS if whole else NUMBERS)
            continue
        place = draw(st.integers(0, max(0, len(value) - 1)))
        match draw(st.sampled_from(["changed", "changed", "left out", "added", "cut", "emptied"])):
            case "changed" if value:
                value[place] = draw(INTEGERS if whole else NUMBERS)
            case "left out" if value:
                del value[place]
            case "added":
                value.insert(place, draw(INTEGERS if whole else NUMBERS))
            case "cut":
                del value[place:]
            case _:
                value.clear()
    return tables


def use(tables: dict[str, Any], name: str, dtype: type) -> None:
    """Everything that a simulator of these tables computes, on few rows."""
    simulator = lowering._kernel.Simulator(**tables, instruction_set=name)
    n, n_inputs, n_outputs, rows = tables["n_bits"], tables["n_inputs"], tables["n_outputs"], 3
    if n > 8 or n_inputs > 64 or tables["n_weights"] > 10**4 or n_outputs > 10**4:
        return
    for state in (False, True):
        for tangents in (False, True):
            width = 2 << n if state else n_outputs
            jacobian = np.zeros(rows * width * n_inputs if tangents else 0, dtype)
            size_of = simulator.saved_size_single if dtype == np.float32 else simulator.saved_size_double
            size = size_of(rows, 1 + n_inputs if len(jacobian) else 1, False)
            held = np.zeros(size + 16, dtype)
            saved = held[(-held.ctypes.data % 64) // held.itemsize :][:size]
            inputs, weights = np.ones((rows, n_inputs), dtype), np.ones(tables["n_weights"], dtype)
            values = np.zeros((rows, width), dtype)
            simulator.forward(inputs, weights, values, jacobian, saved, state, False, 1)
            gradients = np.zeros_like(inputs), np.zeros_like(weights)
            simulator.reverse(inputs, weights, saved, values, jacobian, *gradients, state, False, 1)


@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@given(damaged(), st.sampled_from(native.instruction_sets()), st.sampled_from([np.float32, np.float64]))
def damage(tables: dict[str, Any], name: str, dtype: type) -> None:
    try:
        use(tables, name, dtype)
    except ValueError as error:
        assert str(error).startswith("the tables are no circuit: ")


def test_damaged_tables_end_in_a_sentence_and_never_in_a_memory_fault() -> None:
    """In a process of its own, which a memory fault would end."""
    root = Path(__file__).parents[1]
    # glibc then fills memory that is freed or new, so that what is read beyond a table is no zero by chance.
    environment = os.environ | {"MALLOC_PERTURB_": "165"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_kernel_tables"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=root,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "place", "value", "sentence"),
    [
        ("rotations", 1, 99, "the angle of a rotation is 99, not between 0 and"),
        ("angle_parts", 0, 3, "the weight of an angle is 3, not between -1 and 2"),
        ("angle_numbers", 0, nan, "a number of an angle is not finite"),
        ("run_start", 1, 1000, "run_start decreases"),
        ("term_start", 0, 1, "term_start does not begin at 0"),
        ("exchanges", 1, 30, "a bit of an exchange is 30, not between 0 and 2"),
        ("terms", 0, 8, "the mask of a term is 8, not between 0 and 7"),
        ("words", 3, 7, "the output of a word is 7, not between 0 and 6"),
        ("registers", 1, 5, "the first output of a register is 5, not between 0 and"),
        ("register_bits", 0, -1, "a bit of a register is -1, not between 0 and 2"),
    ],
)
def test_what_is_wrong_is_said(name: str, place: int, value: float, sentence: str) -> None:
    tables = TABLES | {name: [value if k == place else v for k, v in enumerate(TABLES[name])]}
    with pytest.raises(ValueError, match=f"the tables are no circuit: {sentence}"):
        lowering._kernel.Simulator(**tables, instruction_set="portable")


def test_sizes_beyond_any_circuit_are_refused_before_memory_is_taken() -> None:
    for name in ("n_inputs", "n_weights", "n_outputs", "n_bits"):
        with pytest.raises(ValueError, match=f"{name} is {MOST}, not between"):
            lowering._kernel.Simulator(**TABLES | {name: MOST}, instruction_set="portable")


def test_an_instruction_set_is_forced_or_refused() -> None:
    assert lowering._chosen("", ("avx2", "portable")) == ("avx2", "portable")
    assert lowering._chosen("portable", ("avx2", "portable")) == ("portable",)
    for name in ("avx512", "sse9"):
        with pytest.raises(Refused, match=f"QINN_ISA={name} was given, .* are: avx2, portable"):
            lowering._chosen(name, ("avx2", "portable"))
    code = "from qinn_bench.quantum import ansatz\nfrom qinn_bench.quantum.simulators import native\n"
    code += "c = ansatz.reuploading(2, uploads=1)\n"
    code += "print(native.simulator_of(c).instruction_set, native.instruction_sets())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"QINN_ISA": "portable"},
    )
    assert done.stdout.split() == ["portable", "('portable',)"]


if __name__ == "__main__":
    damage()
