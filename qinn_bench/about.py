"""What the file of a model or a data set states of itself, in one typed value: ``ABOUT = About(...)``."""

from __future__ import annotations

from pydantic import Field

from qinn_bench.values import Knob, Knobs, Role, RowKind, Value
from qinn_bench.values import KnobSpan as KnobSpan


class About(Value):
    """What a model is, for the catalogue, the matcher and the tables. Every field has a default; a file without
    `ABOUT` is a model with all of them.

    Attributes:
        citation: the work that describes the model.
        published: figures that this work states, in words, by what they are of.
        deviations: how the model differs from what that work describes, each in a few words; none where it is that.
        role: what it is in a table: a compared ``model``, a ``control``, a ``floor`` or a ``ceiling``.
        knobs: the values, increasing, that the capacity matcher may give a knob.
        depth: the one of `knobs` that says how deep the model is.
        tiny: the knobs of the smallest instance, on which the laws are checked.
        later: the knobs that came after records were published, each with the value that leaves the model as it was.
        tune: what tuning may try of each knob that is no size: a span of numbers, or a choice of values.
        needs_density: whether it can be built only for data whose density is known.
        needs_labels: whether it is of use only for data whose rows are labelled, as a floor of scores is.
        rows: the kinds of rows that it takes.
        multiple_of: how many numbers of a flat row belong together, such as 3 of each particle; flat rows whose length
            is no multiple of it do not fit.
        supervised: whether it may see labels.
        needs_path: of a data set, whether it is read from a file or folder that has to be named by the knob `path`.

    Raises:
        pydantic.ValidationError: a field that does not exist or has the wrong type; in a file, the registry says so in
            one sentence.

    Example:
        >>> About(role="floor", tiny={"bins": 3}).rows
        ('flat',)
    """

    citation: str = ""
    published: dict[str, str] = Field(default={})
    deviations: tuple[str, ...] = ()
    role: Role = "model"
    knobs: dict[str, tuple[Knob, ...]] = Field(default={})
    depth: str = ""
    tiny: Knobs = Field(default={})
    later: Knobs = Field(default={})
    tune: dict[str, KnobSpan | tuple[Knob, ...]] = Field(default={})
    needs_density: bool = False
    needs_labels: bool = False
    rows: tuple[RowKind, ...] = ("flat",)
    multiple_of: int = Field(default=1, ge=1)
    supervised: bool = False
    needs_path: bool = False
