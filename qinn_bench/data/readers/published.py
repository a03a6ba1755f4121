"""What a published file holds once it is read: rows, labels, what lies beside, and what its self-check remarked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.values import Refused


@dataclass(frozen=True)
class Published:
    """The rows of a published file in the conventions of this project.

    `rows` are images ``(n, channels, height, width)``, constituents ``(n, particles, 3)`` as pT in GeV and eta and phi
    from the axis of the jet in rad, or numbers; `labels` ``(n,)`` say which class each is, in the words of `classes`;
    `beside` are further numbers of each row by name. `remarks` are sentences of the self-check on what does not look
    as it was said to be: the file is read as it was asked for all the same.

    Example:
        >>> Published(np.zeros((2, 3)), np.array([0, 1]), ("quark", "gluon")).remarks
        ()
    """

    rows: NDArray[Any]
    labels: NDArray[Any]
    classes: tuple[str, ...]
    beside: dict[str, NDArray[Any]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def labels_of(path: Path, values: NDArray[Any], ones: str, classes: tuple[str, str]) -> NDArray[np.int64]:
    """Labels as places in `classes`, where `ones` says which of them the number 1 in a file stands for.

    Raises:
        Refused: another class, or a label that is neither 0 nor 1.
    """
    if ones not in classes:
        raise Refused(f"{path.name}: label 1 was said to be '{ones}'; there are: {', '.join(classes)}")
    values = np.asarray(values)
    if values.size != len(values):
        raise Refused(f"{path.name} has labels of the shape {values.shape}; one for each row was expected")
    values = values.reshape(-1)
    if not np.isin(values, (0, 1)).all():
        odd = values[~np.isin(values, (0, 1))][0]
        raise Refused(f"{path.name} has the label {odd}; 0 and 1 were expected")
    place = classes.index(ones)
    return np.where(values == 1, place, 1 - place).astype(np.int64)


def permuted(path: Path, given: str, known: tuple[str, ...]) -> list[int]:
    """The places in a file of the channels that are `known`, from the order that a text gives, separated by ``;``.

    Raises:
        Refused: it does not name each of them once.

    Example:
        >>> permuted(Path("x"), "ecal;hcal;tracks", ("tracks", "ecal", "hcal"))
        [2, 0, 1]
    """
    order = [one.strip() for one in given.split(";")]
    if sorted(order) != sorted(known):
        raise Refused(f"{path.name}: the channels were said to be '{given}'; each of {'; '.join(known)} was expected")
    return [order.index(one) for one in known]


def check_shape(path: Path, name: str, array: Any, expected: tuple[int | None, ...]) -> None:
    """That an array of a file has as many axes as are expected, and these lengths where they are known.

    Raises:
        Refused: it has not.
    """
    shape = tuple(array.shape)
    if len(shape) != len(expected) or any(e not in (None, s) for s, e in zip(shape, expected, strict=True)):
        wanted = ", ".join("n" if i == 0 else "any" if e is None else str(e) for i, e in enumerate(expected))
        raise Refused(f"{path.name}: '{name}' has the shape {shape}; ({wanted}) was expected")


def check_lengths(path: Path, arrays: dict[str, Any]) -> None:
    """That the arrays of a file have as many rows, at least one, and hold finite numbers.

    Raises:
        Refused: they have not.
    """
    check_equal(path, {name: len(array) for name, array in arrays.items()})
    for name, array in arrays.items():
        bad = int((~np.isfinite(np.asarray(array))).sum())
        if bad:
            raise Refused(f"{path.name}: {bad} values of '{name}' are not finite")


def check_equal(path: Path, lengths: dict[str, int]) -> None:
    """That there are equally many rows of everything, at least one.

    Raises:
        Refused: there are not.
    """
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        said = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
        raise Refused(f"{path.name} has so many rows: {said}; equally many were expected, at least one")


def check_rows(path: Path, max_rows: int) -> int | None:
    """Where to stop reading: after `max_rows`, or with 0 at the end.

    Raises:
        Refused: a negative number.
    """
    if max_rows < 0:
        raise Refused(f"{path.name}: max_rows is {max_rows}, but 0 (all) or a positive number is expected")
    return max_rows or None


def relative(momenta: NDArray[Any]) -> NDArray[np.float64]:
    """Constituents ``(n, particles, 3)``, hardest first, about the axis of their sum, from their px, py and pz.

    Places without a particle are zero.

    Example:
        >>> relative(np.array([[[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]])).tolist()
        [[[5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    px, py, pz = np.moveaxis(np.asarray(momenta, dtype=np.float64), 2, 0)
    pt = np.hypot(px, py)
    there = pt > 0
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=there))
    total = px.sum(1), py.sum(1), pz.sum(1)
    across = np.maximum(np.hypot(total[0], total[1]), 1e-12)
    axis = np.arcsinh(total[2] / across), np.arctan2(total[1], total[0])
    return hardest_first(pt, eta - axis[0][:, None], np.arctan2(py, px) - axis[1][:, None])


def hardest_first(pt: NDArray[Any], eta: NDArray[Any], phi: NDArray[Any]) -> NDArray[np.float64]:
    """Constituents ``(n, particles, 3)`` in the order of their pT, zero where there is none, phi in [-pi, pi)."""
    phi = (phi + np.pi) % (2 * np.pi) - np.pi
    rows = np.where((pt > 0)[:, :, None], np.stack([pt, eta, phi], axis=2), 0.0)
    order = np.argsort(-rows[:, :, 0], axis=1, kind="stable")
    return np.asarray(np.take_along_axis(rows, order[:, :, None], axis=1), dtype=np.float64)


def more_of(path: Path, what: str, expected: str, values: NDArray[Any], labels: NDArray[Any], one: int) -> list[str]:
    """A remark if the class at place `one` does not have the larger mean, as is known of the physics."""
    means = [float(values[labels == label].mean()) if (labels == label).any() else np.nan for label in (one, 1 - one)]
    if means[0] >= means[1]:
        return []
    if np.isnan(means).any():
        return [f"{path.name} holds one class alone, so that its labels cannot be checked"]
    return [
        f"{path.name}: {expected} have a mean {what} of {means[0]:.3g} and the others {means[1]:.3g}, but more was "
        "expected; label 1 may stand for the other class"
    ]
