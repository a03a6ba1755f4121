"""What is asked for: models, data sets, budgets, cells, and the study that spans them."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from qinn_bench.nouns.base import (
    Axis,
    Control,
    Knob,
    Knobs,
    NotNegative,
    Positive,
    Source,
    StudyName,
    Value,
)
from qinn_bench.nouns.tuning import KnobSpan, Tuning

SEEDS = 1000
"""The seeds of cells lie below it, those of trials from it on."""
QUOTES = "'\""
"""Either encloses a text in ``name[knob=value]``."""


def read_knob(text: str) -> Knob:
    """The value that a text without quotes stands for: a truth value, a finite number, or itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if type(number) is int or isfinite(number) else text
    return text


def _quoted(value: str) -> str:
    """A text as it is read back: in quotes if it would be read as something else."""
    plain = read_knob(value) == value and value == value.strip() and not set(value) & set(f",[]{QUOTES}")
    return value if plain else f"'{value}'" if "'" not in value else f'"{value}"'


class Budget(Value):
    """What training may spend, the same for every model of a study.

    Every `check_every` steps the loss of the first `check_rows` validation rows is taken, and the weights of the best
    check are kept; `patience` counts checks without improvement before training stops (0: never); `clip` is the
    largest allowed norm of the gradient.

    With `until` ``converged``, training goes on from the best weights in further cycles of the schedule, each three
    times as long as the one before, until the validation loss would fall by less than `margin` (in units of the loss)
    in another one, or after as many as `cycles`.

    Example:
        >>> Budget(steps=500, batch=64).schedule
        'cosine'
    """

    steps: Positive = 1000
    batch: Positive = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"
    check_every: Positive = 50
    check_rows: Positive = 2048
    patience: Annotated[int, Field(ge=0)] = 0
    clip: Annotated[float, Field(gt=0)] = 10.0
    precision: Literal["float32", "float64"] = "float32"
    until: Literal["steps", "converged"] = "steps"
    cycles: Annotated[int, Field(ge=2, le=6)] = 3
    margin: Annotated[float, Field(gt=0)] = 0.02


class Use(Value):
    """A model or a data set by name, with all its knobs spelled out.

    Example:
        >>> str(Use(name="spline_inn", knobs={"blocks": 2, "bins": 4}))
        'spline_inn[bins=4,blocks=2]'
    """

    __slots__ = ("_text",)  # Told once: tables of many records ask a million times. No copy has it.
    name: str
    knobs: Knobs = Field(default_factory=dict)

    def __str__(self) -> str:
        try:
            return str(object.__getattribute__(self, "_text"))
        except AttributeError:
            spelled = self._spelled()
            object.__setattr__(self, "_text", spelled)
            return spelled

    def _spelled(self) -> str:
        inside = ",".join(
            f"{knob}={_quoted(value) if isinstance(value, str) else value}"
            for knob, value in sorted(self.knobs.items())
        )
        return f"{self.name}[{inside}]" if inside else self.name


class Cell(Value):
    """One unit of work: one model on one data set under one budget, on one backend and device, with one seed.

    `samples` rows are drawn from the trained model; `mass_draws` is the most that its certificate may draw. With a
    `control` the circuits of the model are replaced before training. The seed moves every source of randomness, or
    only the one that `varies`; the others then stay at seed 0. The split into train, valid and test rows is moved by
    itself alone, so that all models and seeds are judged on the same rows.

    Example:
        >>> cell = Cell(model=Use(name="qinn"), data=Use(name="moons"), budget=Budget(), backend="native", device="cpu",
        ...             seed=3, samples=1000, mass_draws=10_000, varies="batches")
        >>> cell.stream("batches"), cell.stream("initialisation"), cell.stream("split")
        (3, 0, 0)
    """

    model: Use
    data: Use
    budget: Budget
    backend: str
    device: Literal["cpu", "cuda"]
    seed: int
    samples: Positive
    mass_draws: Positive
    control: Control = ""
    varies: Source = "all"

    def stream(self, source: Source) -> int:
        """The seed of one source of randomness; the split is that of the data, unless it is what varies."""
        moved = self.varies == source or (self.varies == "all" and source != "split")
        return self.seed if moved else 0


class Row(Value):
    """One line of a study's tables: a model with some knobs set, under a budget of the study.

    With `shape`, the matcher sets the knobs that are left open so that the study's `match` is met; with a `ladder`,
    each of the study's sizes takes the rung (more knobs) that comes nearest to it. With `data`, the row is taken on
    those data sets only that have the name and the knobs of one of these; with `budgets`, under these only.

    Example:
        >>> Row(model="qinn", label="trimmed", knobs={"uploads": 4}, shape="deep").label
        'trimmed'
    """

    model: str
    label: str = ""
    knobs: Knobs = Field(default_factory=dict)
    shape: Literal["shallow", "balanced", "deep", ""] = ""
    ladder: tuple[Knobs, ...] = ()
    data: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    tune: dict[str, KnobSpan | tuple[Knob, ...]] = Field(default_factory=dict)


class Match(Value):
    """What every compared model of a study has the same amount of, within a relative tolerance: one of the axes.

    `parameters` are all trained ones and `quantum` those in circuits; `circuits` and `flops` are those of one training
    step of `batch` rows; `rank` is that of the Jacobian of the parameters near the start of training. An axis of 0 is
    not asked for; with none, a study's sizes are its parameters. Weights that no readout sees do not count, unless
    `blind` says so.

    Example:
        >>> match = Match(parameters=370, tolerance=0.03)
        >>> match.axis, match.target, match.allowed
        ('parameters', 370, 'within 3.0%')
        >>> match.counted(Parameters(total=372, quantum=320, classical=52, frozen=0, blind=16))
        356
    """

    parameters: NotNegative = 0
    quantum: NotNegative = 0
    circuits: NotNegative = 0
    flops: NotNegative = 0
    rank: NotNegative = 0
    batch: Positive = 128
    blind: bool = False
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.02

    @model_validator(mode="after")
    def _one_axis(self) -> Self:
        if len(self._asked()) > 1:
            raise ValueError(f"models are matched on one axis, but these are given: {', '.join(self._asked())}")
        return self

    def _asked(self) -> list[Axis]:
        return [axis for axis in get_args(Axis) if getattr(self, axis)]

    @property
    def axis(self) -> Axis:
        """What is matched."""
        return next(iter(self._asked()), "parameters")

    @property
    def target(self) -> int:
        """How much of it is asked for."""
        return int(getattr(self, self.axis))

    def counted(self, parameters: Parameters) -> int:
        """How many parameters of a model count, where parameters are what is matched."""
        amount = parameters.quantum if self.axis == "quantum" else parameters.total
        return amount if self.blind else amount - (parameters.blind or 0)

    @property
    def allowed(self) -> str:
        """How far from its size a model may be, in words."""
        return f"within {self.tolerance:.1%}"


class Plugins(Value):
    """Folders whose files join what exists, relative to the study file; their code is run because they are named.

    Example:
        >>> Plugins(models="my_models/").data_sets
        ''
    """

    models: str = ""
    data_sets: str = ""
    metric_files: str = ""


class Study(Value):
    """A comparison as data: a grid of data sets x models x sizes x budgets x backends x devices x seeds.

    Each data set is taken in each of the `coordinates`, and with each number of training `events`, where there are any.
    With `controls`, every model that has a circuit comes with its controls, at the `control_sizes` only if any are
    named; with `equal_controls`, one without entanglers has more of the other gates, as it would be smaller without;
    with `sizes`, every row with a shape or a ladder is matched to each of these parameter counts in turn; with
    `variance`, every source of randomness is also varied alone. With `floors`, every floor and ceiling that there is
    for the data, and is no row yet, becomes one. With `tuning`, each compared row is tuned before it is run. `plugins`
    are folders of models, data sets and metrics of the user's. The `seeds` are so many from `first_seed` on: a study
    that is frozen after others were seen starts where these ended.

    Example:
        >>> study = Study(name="mine", data=("moons",), models=(Row(model="spline_inn"),),
        ...     budgets={"short": Budget(steps=500)})
        >>> study.seeds, study.samples
        (3, 10000)
    """

    name: StudyName
    title: str = ""
    data: Annotated[tuple[str, ...], Field(min_length=1)]
    coordinates: tuple[str, ...] = ()
    events: tuple[Positive, ...] = ()
    models: Annotated[tuple[Row, ...], Field(min_length=1)]
    budgets: Annotated[dict[str, Budget], Field(min_length=1)]
    backends: Annotated[tuple[str, ...], Field(min_length=1)] = ("auto",)
    devices: Annotated[tuple[Literal["cpu", "cuda"], ...], Field(min_length=1)] = ("cpu",)
    seeds: Annotated[int, Field(gt=0, le=SEEDS)] = 3
    first_seed: Annotated[int, Field(ge=0)] = 0
    samples: Positive = 10_000
    mass_draws: Positive = 200_000
    metrics: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    match: Match | None = None
    sizes: tuple[Positive, ...] = ()
    controls: bool = False
    control_sizes: tuple[Positive, ...] = ()
    equal_controls: bool = False
    floors: bool = False
    variance: bool = False
    tuning: Tuning | None = None
    plugins: Plugins = Plugins()

    @property
    def every_seed(self) -> range:
        """The seeds of its cells."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @model_validator(mode="after")
    def _apart_from_trials(self) -> Self:
        if self.every_seed.stop > SEEDS:
            raise ValueError(
                f"seeds {self.first_seed} to {self.every_seed.stop - 1} were asked for, but seeds below {SEEDS} were "
                "expected; those from there on are of trials"
            )
        return self


class Parameters(Value):
    """How many numbers a model trains (total = quantum + classical), and how many it holds fixed (frozen).

    `blind` counts those of the trained ones in circuits that no readout sees, whatever their values; None where they
    were not counted.
    `buffers` are fitted numbers outside of its parameters that its density depends on, such as the rows of a kernel
    density estimate; None where they were not counted.
    `critic` are trained numbers that are no part of the model, but judge it in training; None where it has none.

    Example:
        >>> Parameters(total=372, quantum=320, classical=52, frozen=0, blind=16).live
        356
    """

    total: int
    quantum: int
    classical: int
    frozen: int
    blind: int | None = None
    buffers: int | None = None
    critic: int | None = None

    @property
    def live(self) -> int:
        """The trained numbers that can have an effect."""
        return self.total - (self.blind or 0)
