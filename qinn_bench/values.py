"""The nouns of the suite: frozen values that flow from a study file to a table, and the one error its users see."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Array = NDArray[np.float64]
Knob = bool | int | float | str
Knobs = dict[str, Knob]
Direction = Literal["lower", "higher", "zero", "one", "none"]
Status = Literal["ok", "diverged", "not-converged", "timeout", "out-of-memory", "crashed", "unsupported", "skipped"]
Role = Literal["model", "control", "floor", "ceiling"]
Verdict = Literal["pass", "fail", "undecided"]
Outcome = Literal["better", "equal", "worse", "undecided"]
Control = Literal["", "frozen", "unentangled", "fourier", "tanh", "untrained"]
Source = Literal["all", "initialisation", "batches", "shots", "evaluation", "split"]
Suspicion = Literal["better-than-truth", "memoriser", "leak", "idle-circuit"]
Axis = Literal["parameters", "quantum", "circuits", "flops", "rank"]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
QUOTES = "'\""
"""Either encloses a text in ``name[knob=value]``."""
NAME = r"^[a-z0-9][a-z0-9_-]*$"
StudyName = Annotated[str, Field(pattern=NAME, max_length=100)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,=+\[\]-]*$", max_length=100)]
"""Studies and keys name folders and files: nothing that leads elsewhere or that a file system does not take."""


class Refused(ValueError):
    """What was asked for cannot be had; the message is one sentence: what was given, what was expected, what exists.

    Example:
        >>> try:
        ...     raise Refused("no model is called 'splin'; there are: spline_inn")
        ... except ValueError as refusal:
        ...     print(refusal)
        no model is called 'splin'; there are: spline_inn
    """


class Value(BaseModel):
    """A frozen, strictly typed value; unknown keys and non-finite numbers are refused.

    Example:
        >>> class Point(Value):
        ...     x: float
        >>> Point(x=1.0).model_copy(update={"x": 2.0})
        Point(x=2.0)
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


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


def _spelled(value: Knob) -> str:
    """A value as it is read back; a text that would be read as something else stands in quotes."""
    if not isinstance(value, str):
        return str(value)
    plain = read_knob(value) == value and value == value.strip() and not set(value) & set(f",[]{QUOTES}")
    return value if plain else f"'{value}'" if "'" not in value else f'"{value}"'


class Estimate(Value):
    """A number with its error (one standard deviation), its unit, the direction that is better, and its sample size.

    `value` is None where the number does not exist; `note` then says why.

    Example:
        >>> Estimate(value=0.036, error=0.003, n=10_000, unit="sd", better="lower").error
        0.003
        >>> Estimate(value=None, note="no row lies in the window").value is None
        True
    """

    value: float | None
    error: float | None = None
    n: int = 0
    unit: str = ""
    better: Direction = "none"
    note: str = ""


class Budget(Value):
    """What training may spend, the same for every model of a study.

    Every `check_every` steps the loss of the first `check_rows` validation rows is taken, and the weights of the best
    check are kept; `patience` counts checks without improvement before training stops (0: never); `clip` is the
    largest allowed norm of the gradient.

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


class Use(Value):
    """A model or a data set by name, with all its knobs spelled out.

    Example:
        >>> str(Use(name="spline_inn", knobs={"blocks": 2, "bins": 4}))
        'spline_inn[bins=4,blocks=2]'
    """

    name: str
    knobs: Knobs = {}

    def __str__(self) -> str:
        inside = ",".join(f"{knob}={_spelled(value)}" for knob, value in sorted(self.knobs.items()))
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
    each of the study's sizes takes the rung (more knobs) that comes nearest to it.

    Example:
        >>> Row(model="qinn", label="trimmed", knobs={"uploads": 4}, shape="deep").label
        'trimmed'
    """

    model: str
    label: str = ""
    knobs: Knobs = {}
    shape: Literal["shallow", "balanced", "deep", ""] = ""
    ladder: tuple[Knobs, ...] = ()


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

    With `controls`, every model that has a circuit comes with its controls, at the `control_sizes` only if any are
    named; with `sizes`, every row with a shape or a ladder is matched to each of these parameter counts in turn; with
    `variance`, every source of randomness is also varied alone. With `floors`, every floor and ceiling that there is
    for the data, and is no row yet, becomes one. `plugins` are folders of models, data sets and metrics of the user's.

    Example:
        >>> study = Study(name="mine", data=("moons",), models=(Row(model="spline_inn"),),
        ...     budgets={"short": Budget(steps=500)})
        >>> study.seeds, study.samples
        (3, 10000)
    """

    name: StudyName
    title: str = ""
    data: Annotated[tuple[str, ...], Field(min_length=1)]
    models: Annotated[tuple[Row, ...], Field(min_length=1)]
    budgets: Annotated[dict[str, Budget], Field(min_length=1)]
    backends: Annotated[tuple[str, ...], Field(min_length=1)] = ("auto",)
    devices: Annotated[tuple[Literal["cpu", "cuda"], ...], Field(min_length=1)] = ("cpu",)
    seeds: Annotated[int, Field(gt=0, le=1000)] = 3
    samples: Positive = 10_000
    mass_draws: Positive = 200_000
    metrics: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    match: Match | None = None
    sizes: tuple[Positive, ...] = ()
    controls: bool = False
    control_sizes: tuple[Positive, ...] = ()
    floors: bool = False
    variance: bool = False
    plugins: Plugins = Plugins()


class Parameters(Value):
    """How many numbers a model trains (total = quantum + classical), and how many it holds fixed (frozen).

    `blind` counts those of the trained ones in circuits that no readout sees, whatever their values; None where they
    were not counted.
    `buffers` are fitted numbers outside of its parameters that its density depends on, such as the rows of a kernel
    density estimate; None where they were not counted.

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

    @property
    def live(self) -> int:
        """The trained numbers that can have an effect."""
        return self.total - (self.blind or 0)


class Certificate(Value):
    """Whether a model's likelihood may be believed.

    `mass` is the integral of the claimed density with `interval` at 95 % and the effective share of the draws;
    `grid_mass` is the same on a grid where dim <= 2. Round trips are root mean squares in feature units:
    `round_trip_data` of x -> z -> x on test rows, `round_trip_latent` of z -> x -> z on latent draws;
    `inversion_failures` is the share of latent draws without a pre-image; `logdet_error` the largest difference between
    the claimed log-det and autodiff; `sign_changes` the share of rows whose det J has the minority sign;
    `support_leak` the share of generated rows outside the data's support.

    Example:
        >>> certificate = Certificate(verdict="fail", reasons=("the density integrates to 12.3",),
        ...     mass=Estimate(value=12.3),
        ...                           interval=(8.6, 16.0), effective_share=0.01, draws=200_000)
        >>> certificate.verdict, certificate.mass.value
        ('fail', 12.3)
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    mass: Estimate
    interval: tuple[float, float]
    effective_share: float
    draws: int
    grid_mass: Estimate | None = None
    round_trip_data: float | None = None
    round_trip_latent: float | None = None
    inversion_failures: float | None = None
    logdet_error: float | None = None
    sign_changes: float | None = None
    support_leak: float | None = None


class Training(Value):
    """How a training ended: steps taken, the step and validation loss of the kept weights, and why it stopped.

    Example:
        >>> Training(steps=2000, best_step=1900, best_loss=7.48, stopped="budget used up").best_step
        1900
    """

    steps: int
    best_step: int
    best_loss: float | None
    stopped: str


class Resources(Value):
    """What a model costs beside its parameters.

    `circuit_evaluations` and `step_flops` are those of one training step (a circuit on one sample counts once, its
    Jacobian along n inputs n times more); `cpu_to_best_s` are CPU seconds of training until the kept weights, and
    `peak_memory_mb` the most that the process held until training ended. `rank` is the numerical rank of the derivative
    of the model's outputs with respect to its trained parameters at `rank_rows` test rows; `rank_is_bound` says that
    all outputs at these rows were independent, so that more rows would show more. `without_effect` counts the trained
    numbers on which neither latents nor log-determinants depend there.

    Example:
        >>> Resources(circuit_evaluations=0, step_flops=404_354, cpu_to_best_s=4.9, peak_memory_mb=344.4, rank=352).rank
        352
    """

    circuit_evaluations: int
    step_flops: int | None
    cpu_to_best_s: float | None
    peak_memory_mb: float | None
    rank: int | None = None
    rank_rows: int = 0
    rank_is_bound: bool = False
    without_effect: int | None = None


class Comparison(Value):
    """What paired replicates say of a first against a second row.

    `effect` is the mean by which the first is better, in the unit of the metric, with its standard error; `interval`
    is its 95 % confidence interval. The p-values are those of "first is better", "first is worse" and, with a
    `margin`, "the two differ by less than the margin"; `p_wilcoxon` is a second opinion on "first is better".
    `remarks` are what of the `reason` holds whatever the outcome is, such as the replicates that were left out.

    Example:
        >>> Comparison(outcome="better", reason="", effect=Estimate(value=0.12, error=0.02), interval=(0.07,
        ...     0.17)).outcome
        'better'
    """

    outcome: Outcome
    reason: str
    effect: Estimate
    interval: tuple[float, float] | None = None
    p_better: float | None = None
    p_worse: float | None = None
    p_equal: float | None = None
    p_wilcoxon: float | None = None
    margin: float | None = None
    replicates: int = 0
    method: str = ""
    remarks: tuple[str, ...] = ()


class Flag(Value):
    """Why a number is too good to be believed: the kind of suspicion, and one sentence with its figures.

    Example:
        >>> str(Flag(kind="memoriser", said="98 % of the rows lie nearer to training rows than chance"))
        'memoriser: 98 % of the rows lie nearer to training rows than chance'
    """

    kind: Suspicion
    said: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.said}"


class Record(Value):
    """All that is known of one finished cell; one JSON file.

    `family` is the label of the study's row; `row` adds what sets the cell apart in a grid: its size, its budget, its
    control. `control_of` names the row that a control belongs to, `shape` what the row asked the matcher for. `flags`
    say why a number is too good to be believed; a flagged row never wins. `tolerance` is that of the match whose size
    no model of the row has, where the cell was skipped for it.

    `measured` names the metrics (and the certificate) that were taken, each with the fingerprint of the code that took
    it, so that a new or changed metric is taken again without training. `inputs` names all that made the numbers, part
    by part, each with the fingerprint of its content (`keys.inputs_of`).

    Example:
        >>> cell = Cell(model=Use(name="qinn"), data=Use(name="moons"), budget=Budget(), backend="native", device="cpu",
        ...             seed=0, samples=1000, mass_draws=10_000)
        >>> record = Record(key="0a1b", study="mine", row="qinn", role="model", cell=cell, status="diverged",
        ...     reason="NaN loss")
        >>> record.status, record.metrics
        ('diverged', {})
    """

    schema_version: Literal[1] = 1
    key: Key
    study: StudyName
    row: str
    family: str = ""
    size: int = 0
    control_of: str = ""
    shape: str = ""
    role: Role
    cell: Cell
    status: Status
    reason: str = ""
    metrics: dict[str, Estimate] = {}
    measured: dict[str, str] = {}
    inputs: dict[str, str] = {}
    certificate: Certificate | None = None
    flags: tuple[Flag, ...] = ()
    tolerance: float | None = None
    parameters: Parameters | None = None
    resources: Resources | None = None
    training: Training | None = None
    cost: dict[str, float] = {}
    seeds: dict[str, int] = {}
    provenance: dict[str, Knob] = {}
