"""Whether a model takes the rows of a data set, by what its file states and by their shape."""

from __future__ import annotations

from qinn_bench.about import About
from qinn_bench.dataset import AXES
from qinn_bench.values import Refused


def misfit(name: str, about: About, shape: tuple[int, ...]) -> str:
    """What rows a model takes, if it does not take those of this shape; empty where it does.

    Example:
        >>> misfit("spline_inn", About(), (1, 8, 8)), misfit("spline_inn", About(), (2,))
        ("model 'spline_inn' takes flat rows", '')
    """
    if len(shape) not in {AXES[kind] for kind in about.rows}:
        return f"model '{name}' takes {' or '.join(about.rows)} rows"
    if len(shape) == AXES["flat"] and shape[0] % about.multiple_of:
        return f"model '{name}' takes flat rows of a multiple of {about.multiple_of} numbers"
    return ""


def check(name: str, about: About, shape: tuple[int, ...]) -> None:
    """That a model takes rows of a shape.

    Raises:
        Refused: it does not.
    """
    if said := misfit(name, about, shape):
        raise Refused(f"{said}, but was asked for {rows_of(shape)}")


def rows_of(shape: tuple[int, ...]) -> str:
    """What rows of a shape are, in words.

    Example:
        >>> rows_of((1, 8, 8)), rows_of((2,))
        ('image rows of 1 x 8 x 8', 'flat rows of 2 numbers')
    """
    kind = next((kind for kind, axes in AXES.items() if axes == len(shape)), "strange")
    return f"{kind} rows of {' x '.join(map(str, shape))}{' numbers' * (kind == 'flat')}"
