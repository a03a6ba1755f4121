"""What the device does to tapes before they run: rows one at a time, double precision, observables in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pennylane.math import cast, get_interface, toarray
from pennylane.measurements import ClassicalShadowMP, ShadowExpvalMP
from pennylane.transforms import broadcast_expand
from pennylane.transforms.core import transform

from qinn_bench.quantum.pennylane.tape_binding import concrete


@transform  # type: ignore[untyped-decorator]
def rows_apart(tape: Any) -> tuple[Sequence[Any], Any]:
    """Split a batch into its rows where PennyLane handles one at a time: shadows and postselection."""
    shadows = any(isinstance(measurement, ClassicalShadowMP | ShadowExpvalMP) for measurement in tape.measurements)
    if shadows or any(operation.name == "Projector" for operation in tape.operations):
        rows: tuple[Sequence[Any], Any] = broadcast_expand(tape)
        return rows
    return (tape,), lambda results: results[0]


@transform  # type: ignore[untyped-decorator]
def in_double_precision(tape: Any) -> tuple[Sequence[Any], Any]:
    """Cast parameters in single precision inside jax's graph: jax takes gradients in the precision of a leaf only.

    PennyLane makes numbers of Python of the leaves on their way to the device, which have no precision.
    """
    values = tape.get_parameters(trainable_only=False)
    single = [k for k, v in enumerate(values) if str(getattr(v, "dtype", "")) in ("float32", "complex64")]
    if not single:
        return (tape,), lambda results: results[0]
    kinds = {"float32": "float64", "complex64": "complex128"}
    bound = tape.bind_new_parameters([cast(values[k], kinds[str(values[k].dtype)]) for k in single], single)
    return (bound,), lambda results: results[0]


def observing_in_numpy(tape: Any) -> Any:
    """The tape with observables whose parameters are no arrays of jax: its final state is torch's."""
    first = sum(len(operation.data) for operation in tape.operations)
    values = tape.get_parameters(trainable_only=False)[first:]
    places = [k for k, value in enumerate(values) if get_interface(value) == "jax"]
    if not places:
        return tape
    trainable = tape.trainable_params
    bound = tape.bind_new_parameters([toarray(concrete(values[k])) for k in places], [first + k for k in places])
    bound.trainable_params = trainable
    return bound
