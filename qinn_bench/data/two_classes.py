"""Data sets of background and signal: background first, so that what is trained without labels never sees signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.assemble import FEWEST, PUBLISHED, Shares, fingerprint
from qinn_bench.data.transforms import AsTheyAre, fitted
from qinn_bench.dataset import Column, Dataset, Observable, Parts, Transform
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Knobs, Refused

ASIS = AsTheyAre()
EDGE, ROOM = 0.999, 1.1
"""An observable is drawn from 0 to this quantile of the test rows, with some room."""


class Split(NamedTuple):
    """The training, validation and test rows of a class, ``(n, *shape)`` each.

    Example:
        >>> split("mine", "signal", np.zeros((80, 2))).test.shape
        (40, 2)
    """

    train: Array
    valid: Array
    test: Array


def split(name: str, label: str, rows: Array, shares: Shares = PUBLISHED) -> Split:
    """The rows of a class in their order, split by shares.

    Raises:
        Refused: fewer rows than a split needs.
    """
    if len(rows) < FEWEST:
        raise Refused(f"data '{name}' has {len(rows)} rows of {label}; at least {FEWEST} are needed to split them")
    return Split(*shares.split(rows))


def assemble_classes(
    name: str,
    knobs: Knobs,
    background: Split,
    signal: Split,
    *,
    mixed: bool,
    observables: Callable[[Array], dict[str, Array]],
    labels: Mapping[str, str],
    support: Callable[[Array], NDArray[np.bool_]],
    provenance: Mapping[str, Any],
    columns: tuple[Column, ...] = (),
    transform: Transform | Sequence[Transform] = ASIS,
    extent: tuple[float, float] | None = None,
) -> Dataset:
    """Build a data set of independent rows of two classes.

    Test rows hold the test parts of both, training and validation rows those of the background alone, and of both where
    they are `mixed`; so the test rows are the same for models with and without labels. Rows of several classes are
    shuffled, always alike. Models see rows through `transform`, as they are if nothing is said; a sequence of steps
    is followed by a map that standardises. `labels` are those of figures, of each observable.

    Raises:
        Refused: both classes are asked for, but there is no signal to train on.
    """
    if mixed and not len(signal.train):
        raise Refused(f"data '{name}' has signal in its test rows alone; mixed=false was expected")
    known = [
        _shuffled(name, part, own, other, mixed or part == "test")
        for part, own, other in zip(Split._fields, background, signal, strict=True)
    ]
    train, valid, test = (rows for rows, _ in known)
    return Dataset(
        name=name,
        columns=columns,
        train=train,
        valid=valid,
        test=test,
        transform=fitted(transform, train) if isinstance(transform, Sequence) else transform,
        observables=observables,
        plots=_plots(observables(test), labels),
        support=support,
        fingerprint=fingerprint(name, {**knobs, "mixed": mixed}, train, valid, test),
        provenance=provenance,
        labels=Parts(*(signals for _, signals in known)),
        extent=extent,
    )


def within(low: float, rows: Array) -> NDArray[np.bool_]:
    """Which images ``(n, channels, height, width)`` have all pixels between `low` and 1."""
    return np.asarray(((rows >= low) & (rows <= 1)).all(axis=(1, 2, 3)))


def _shuffled(name: str, part: str, background: Array, signal: Array, both: bool) -> tuple[Array, Array]:
    """Rows and their labels; those of the background alone stay in their order."""
    if not both:
        return background, np.zeros(len(background))
    rows, labels = np.concatenate([background, signal]), np.repeat([0.0, 1.0], [len(background), len(signal)])
    order = numpy_rng("data", name, part, len(rows)).permutation(len(rows))
    return rows[order], labels[order]


def check_background(name: str, background: str, classes: tuple[str, str]) -> int:
    """Which of two classes is the background, 0 or 1.

    Raises:
        Refused: it is neither.
    """
    if background not in classes:
        raise Refused(f"data '{name}': background is '{background}'; there are: {', '.join(classes)}")
    return classes.index(background)


def _plots(values: Mapping[str, Array], labels: Mapping[str, str]) -> tuple[Observable, ...]:
    return tuple(
        Observable(name, labels[name], 0.0, ROOM * (float(np.quantile(one, EDGE)) or 1.0))
        for name, one in values.items()
    )
