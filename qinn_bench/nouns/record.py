"""What is known of a cell and of two rows: records with all their parts, and comparisons."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qinn_bench.nouns.base import (
    Estimate,
    Key,
    Knob,
    Outcome,
    Role,
    Status,
    StudyName,
    Suspicion,
    Value,
    Verdict,
)
from qinn_bench.nouns.study import Cell, Parameters


class Certificate(Value):
    """Whether a model's likelihood may be believed.

    `mass` is the integral of the claimed density with `interval` at 95 % and the effective share of the draws;
    `grid_mass` is the same on a grid where dim <= 2. Round trips are root mean squares in feature units:
    `round_trip_data` of x -> z -> x on test rows, `round_trip_latent` of z -> x -> z on latent draws;
    `inversion_failures` is the share of latent draws without a pre-image; `logdet_error` the largest difference between
    the claimed log-det and autodiff; `sign_changes` the share of rows whose det J has the minority sign;
    `support_leak` the share of generated rows outside the data's support.

    What older certificates do not say is None: `bridge_mass` is the mass by the model's own rows and the draws;
    `own_above` and `train_above` are the shares of own rows and of training rows that lie where draws cannot measure
    the mass; `excess` are the nats that the likelihood of the test rows owes to such places, and `stored_digits` those
    that it would owe to the digits in which they are stored; `ties` is the largest share of equal values in a column of
    the data. `by_construction` says that the density integrates to 1 by construction, as one of a one-to-one map does,
    and that no measurement contradicts it; `mass_known` that the mass, whatever it is, is known to 1 %.

    Example:
        >>> certificate = Certificate(verdict="fail", reasons=("the density integrates to 12.3",),
        ...     mass=Estimate(value=12.3),
        ...                           interval=(8.6, 16.0), effective_share=0.01, draws=200_000)
        >>> certificate.verdict, certificate.mass.value
        ('fail', 12.3)
        >>> certificate.divisor.value, certificate.model_copy(update={"by_construction": True}).divisor.value
        (12.3, 1.0)
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
    bridge_mass: Estimate | None = None
    own_above: float | None = None
    train_above: float | None = None
    excess: float | None = None
    stored_digits: float | None = None
    ties: float | None = None
    by_construction: bool | None = None
    mass_known: bool | None = None

    @property
    def divisor(self) -> Estimate:
        """What the likelihood is divided by: the measured mass, but 1 where nothing else is possible."""
        return Estimate(value=1.0, error=0.0, n=self.mass.n, better="one") if self.by_construction else self.mass

    @property
    def rests_on_its_mass(self) -> bool:
        """Whether the likelihood is that of a density divided by a mass that was measured, and is known to 1 %."""
        return bool(self.mass_known) and self.by_construction is False


class Training(Value):
    """How a training ended: steps taken, the step and validation loss of the kept weights, and why it stopped.

    gain: by how much the validation loss would still fall if the training went on, extrapolated; None where it was not
    fitted. `at_cycles` are the validation losses that were reached by the end of each cycle, of budgets that ask for
    convergence. `learning_rate` is that of a control which diverged and was trained again at a lower one; None where it
    is that of the budget.

    Example:
        >>> Training(steps=2000, best_step=1900, best_loss=7.48, stopped="budget used up").best_step
        1900
    """

    steps: int
    best_step: int
    best_loss: float | None
    stopped: str
    gain: Estimate | None = None
    learning_rate: float | None = None
    at_cycles: tuple[float, ...] = ()


class Resources(Value):
    """What a model costs beside its parameters.

    `circuit_evaluations` and `step_flops` are those of one training step (a circuit on one sample counts once, its
    Jacobian along n inputs n times more); `cpu_to_best_s` are CPU seconds of training until the kept weights, and
    `peak_memory_mb` the most that the process held until training ended. `rank` is the numerical rank of the derivative
    of the model's outputs with respect to its trained parameters at `rank_rows` test rows; `rank_is_bound` says that
    all outputs at these rows were independent, so that more rows would show more. `without_effect` counts the trained
    numbers on which neither latents nor log-determinants depend there. `row_shots` are the shots that one row takes
    that is drawn (or scored), 0 of exact circuits and None where nobody counted.

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
    row_shots: int | None = None


class Comparison(Value):
    """What paired replicates say of a first against a second row.

    `effect` is the mean by which the first is better, in the unit of the metric, with its standard error; `interval`
    is its 95 % confidence interval, by Student's t of so many degrees of `freedom`; `bounds`, where they were asked
    for, are those of the one-sided tests by which it is decided, sign flips and Student's t. The p-values are those of
    "first is better", "first is worse" and, with a `margin`, "the two differ by less than the margin"; `p_wilcoxon` is
    a second opinion on "first is better".
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
    bounds: tuple[float, float] | None = None
    freedom: float | None = None
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
    no model of the row has, where the cell was skipped for it. `validation` is what chooses between trials: the
    negative log-likelihood of validation rows (normalised where the map is not one-to-one), or the best validation loss
    of a model without a density.

    `measured` names the metrics (and the certificate) that were taken, each with the fingerprint of the code that took
    it, so that a new or changed metric is taken again without training. `inputs` names all that made the numbers, part
    by part, each with the fingerprint of its content (`keys.inputs_of`). `over_truth` has what columns would be on
    other samples of true rows, the same ones for every model and seed, so that what models share of them can be told
    (`metrics._truth_rows`); None in records that did not ask.

    Example:
        >>> from qinn_bench.values import Budget, Cell, Use
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
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    measured: dict[str, str] = Field(default_factory=dict)
    over_truth: dict[str, tuple[float, ...]] | None = None
    inputs: dict[str, str] = Field(default_factory=dict)
    certificate: Certificate | None = None
    validation: Estimate | None = None
    flags: tuple[Flag, ...] = ()
    tolerance: float | None = None
    parameters: Parameters | None = None
    resources: Resources | None = None
    training: Training | None = None
    cost: dict[str, float] = Field(default_factory=dict)
    seeds: dict[str, int] = Field(default_factory=dict)
    provenance: dict[str, Knob] = Field(default_factory=dict)
