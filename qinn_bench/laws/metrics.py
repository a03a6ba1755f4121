"""The laws of metrics: columns that are declared, finite numbers on sane input, a number that sees flaws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from qinn_bench import registry
from qinn_bench.data.transforms import AsTheyAre
from qinn_bench.dataset import Dataset, Evidence, Metric, Parts
from qinn_bench.laws.cases import toy
from qinn_bench.laws.law import Spared, collected, expect
from qinn_bench.metrics._take import attempt, take
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Estimate, Knobs, Use

ROWS = 200
IMAGES = 60
SIGMAS = 6
EQUAL = 1e-9


@dataclass(frozen=True)
class MetricCase:
    """A metric, tried on a resonance beside an exponential, whose true density is known, or on images if it needs some.

    Example:
        >>> def count(evidence: Evidence) -> dict[str, Estimate]:
        ...     return {"count": Estimate(value=float(len(evidence.generated)))}
        >>> case = MetricCase(Metric("count", "number of rows", "samples", count))
        >>> gives_numbers(case)
        'count = 200'
    """

    metric: Metric

    def __str__(self) -> str:
        return self.metric.name

    def evidence(self, flaw: float = 0.0) -> Evidence:
        """Evidence of the kind of rows that the metric is taken of; a `flaw` spoils what the model says."""
        if self.metric.of_showers:
            return of_showers(flaw)
        if self.metric.of_bits:
            return of_bits(flaw)
        return of_images(flaw) if self.metric.rows and "flat" not in self.metric.rows else evidence(flaw)

    def take(self, evidence: Evidence) -> dict[str, Estimate]:
        """Its columns on this evidence, always with the same random numbers; an error in it is let through.

        Raises:
            Spared: the metric takes minutes.
        """
        if self.metric.slow:
            raise Spared("it takes minutes")
        return attempt(self.metric, replace(evidence, rng=np.random.default_rng(16146)))


def of_showers(flaw: float = 0.0) -> Evidence:
    """Showers beside others of the same law, in voxels; a `flaw` spoils their profiles, and joins the front of one with
    the back of another."""
    data = _shower_data()
    truth, generated = data.test[:ROWS], data.train[:ROWS]
    spoiled = generated * (1 + flaw * np.linspace(-0.5, 1, data.dim)) * (1 + 0.1 * flaw)
    if flaw:
        spoiled[:, data.dim // 2 :] = np.roll(spoiled[:, data.dim // 2 :], 1, axis=0)
    return Evidence(data, truth, spoiled, log_prob=None, mass=None, rng=np.random.default_rng(0))


def of_bits(flaw: float = 0.0) -> Evidence:
    """Rows of bits whose law is known beside others of the same law; a `flaw` flips some of their bits."""
    data, rng = _bit_data(), numpy_rng("laws", "bit metrics")
    density = data.density
    assert density is not None
    generated = density.sample(ROWS, rng)
    flipped = rng.random(generated.shape) < 0.3 * flaw
    spoiled = np.where(flipped, (generated + 1) % 2, generated)
    return Evidence(data, data.test[:ROWS], spoiled, log_prob=None, mass=None, rng=np.random.default_rng(0))


@cache
def _bit_data() -> Dataset:
    data: Dataset = registry.make("data", registry.spell_out("data", Use(name="blobs16", knobs={"events": 2000})))
    return data


@cache
def _shower_data() -> Dataset:
    knobs: Knobs = {"events": 1000, "form": "voxels", "coordinates": "shares"}
    data: Dataset = registry.make("data", registry.spell_out("data", Use(name="photon_showers", knobs=knobs)))
    return data


def of_images(flaw: float = 0.0) -> Evidence:
    """Images with what a model makes of them, and scores; a `flaw` spoils both."""
    data, rng = _image_data(), numpy_rng("laws", "image metrics")
    assert data.labels is not None
    labels, truth = data.labels.test, data.test[:IMAGES]
    return Evidence(
        data=data,
        truth=truth,
        generated=truth[:0],
        log_prob=None,
        mass=None,
        rng=np.random.default_rng(0),
        scores=labels / (1 + 5 * flaw) + rng.normal(size=len(labels)),
        reconstructions=np.clip(truth + (0.02 + 0.5 * flaw) * rng.random(truth.shape), 0, 1),
    )


@cache
def _image_data() -> Dataset:
    """Images of a few bright pixels about the centre, in units of the brightest."""
    rng = numpy_rng("laws", "images")
    places = rng.normal(3.5, 1.5, (IMAGES, 12, 2)).round().clip(0, 7).astype(int) @ [8, 1]
    energies = rng.exponential(size=places.shape)
    flat = [np.bincount(of, weights, 64) for of, weights in zip(places, energies, strict=True)]
    images = np.reshape(flat, (IMAGES, 1, 8, 8)).astype(np.float64)
    images /= images.max(axis=(1, 2, 3), keepdims=True)
    toy_images = toy((1, 8, 8))
    labels = Parts(
        np.zeros(len(toy_images.train)), np.zeros(len(toy_images.valid)), np.arange(IMAGES, dtype=np.float64) % 2
    )
    return replace(toy_images, test=images, labels=labels, transform=AsTheyAre(), extent=(0.8, 0.8))


def evidence(flaw: float = 0.0) -> Evidence:
    """True rows beside others of the same law, with all that a model may say of them; a `flaw` spoils what it says."""
    data, rng = _data(), numpy_rng("laws", "metrics")
    density = data.density
    assert density is not None and data.labels is not None
    features = data.transform.forward(density.sample(ROWS, rng))[0]
    generated = data.transform.inverse(features * (1 + flaw) + flaw)
    truth = data.test[:ROWS]
    noise = data.transform.forward(truth)[0] + (0.1 + flaw) * rng.normal(size=truth.shape)
    labels = data.labels.test
    return Evidence(
        data=data,
        truth=truth,
        generated=generated,
        log_prob=density.log_density(data.test) - flaw * np.arange(len(data.test)) / len(data.test),
        mass=Estimate(value=1.0, error=0.001, n=10_000),
        rng=np.random.default_rng(0),
        scores=labels / (1 + 5 * flaw) + rng.normal(size=len(labels)),
        reconstructions=data.transform.inverse(noise),
    )


@cache
def _data() -> Dataset:
    data: Dataset = registry.make("data", registry.spell_out("data", Use(name="bwexp", knobs={"events": 2000})))
    labels = Parts(
        np.zeros(len(data.train)), np.zeros(len(data.valid)), np.arange(len(data.test), dtype=np.float64) % 2
    )
    return replace(data, labels=labels)


def names_its_columns(case: MetricCase) -> str:
    """Each of its columns begins with its name, and is one of those that it declares, if it declares any."""
    found = case.take(case.evidence())
    expect(bool(found), "it gives no column")
    odd = [name for name in found if not name.startswith(case.metric.name)]
    expect(not odd, f"columns {', '.join(odd)} do not begin with '{case.metric.name}'")
    declared = [column.name for column in case.metric.columns]
    open_ended = [name[:-1] for name in declared if name.endswith("*")]
    unknown = [n for n in found if declared and n not in declared and not n.startswith(tuple(open_ended) or ("\0",))]
    expect(not unknown, f"columns {', '.join(unknown)} are none of those declared: {', '.join(declared)}")
    absent = [name for name in declared if not name.endswith("*") and name not in found]
    return expect(not absent, f"columns that are declared and not there: {', '.join(absent) or 'none'}")


def gives_numbers(case: MetricCase) -> str:
    """On sane rows it gives finite numbers, with errors that are not negative, from rows that were there."""
    found = case.take(case.evidence())
    for name, estimate in found.items():
        if estimate.value is None and "is not installed" in estimate.note:
            raise Spared(estimate.note)
        expect(estimate.value is not None, f"'{name}' has no value: {estimate.note or 'no reason is given'}")
        expect(estimate.error is None or estimate.error >= 0, f"the error of '{name}' is {estimate.error}")
    return ", ".join(f"{name} = {estimate.value:.4g}" for name, estimate in list(found.items())[:3])


def repeats_itself(case: MetricCase) -> str:
    """The same random numbers give the same columns."""
    first, second = (case.take(case.evidence()) for _ in range(2))
    return expect(first == second, "equal digit by digit")


def leaves_rows_alone(case: MetricCase) -> str:
    """It changes nothing of what it is given."""
    given = case.evidence()
    arrays = {name: value for name, value in vars(given).items() if isinstance(value, np.ndarray)}
    before = {name: value.copy() for name, value in arrays.items()}
    case.take(given)
    changed = [name for name, value in arrays.items() if not np.array_equal(value, before[name])]
    return expect(not changed, f"changed: {', '.join(changed) or 'nothing'}")


def minds_no_order(case: MetricCase) -> str:
    """Rows in another order give the same numbers, within their errors where it draws among them."""
    if case.metric.needs != "samples":
        raise Spared("its rows belong to those of the data set")
    given, rng = case.evidence(), np.random.default_rng(7)
    mixed = replace(given, truth=rng.permutation(given.truth), generated=rng.permutation(given.generated))
    first, second = case.take(given), case.take(mixed)
    far = 0.0
    for name, one in first.items():
        other = second[name]
        off = abs((one.value or 0.0) - (other.value or 0.0))
        allowed = EQUAL * abs(one.value or 0.0) + SIGMAS * np.hypot(one.error or 0.0, other.error or 0.0)
        expect(off <= allowed, f"'{name}' moves from {one.value} to {other.value}")
        far = max(far, off)
    return f"moved by {far:.1e} at most"


def sees_flaws(case: MetricCase) -> str:
    """Where one direction is better, a spoiled model is not better than the truth, and a column says so."""
    good, bad = case.take(case.evidence()), case.take(case.evidence(flaw=1.0))
    worse, ordered = [], []
    for name, one in good.items():
        other = bad[name]
        loss = _loss(one), _loss(other)
        if one.better == "none" or None in loss or other.value is None:
            continue
        ordered.append(name)
        error = SIGMAS * float(np.hypot(one.error or 0.0, other.error or 0.0))
        better = loss[1] < loss[0] - error  # type: ignore[operator]
        expect(not better, f"'{name}' is {other.value:.4g} for the spoiled model, better than {one.value:.4g}")
        worse += [name] * (loss[1] > loss[0])  # type: ignore[operator]
    if not ordered:
        raise Spared("none of its columns has a direction that is better")
    return expect(bool(worse), f"worse in {len(worse)} of {len(ordered)} columns")


def _loss(estimate: Estimate) -> float | None:
    """How bad a number is."""
    if estimate.value is None:
        return None
    badness = {"lower": estimate.value, "higher": -estimate.value, "zero": abs(estimate.value)}
    return badness.get(estimate.better, abs(estimate.value - 1))


def says_why_there_is_no_number(case: MetricCase) -> str:
    """Of no rows, and of rows that are not finite, it gives no number but a reason, and never ends in an error."""
    given = case.evidence()
    for what, spoiled in (("no rows", _spoiled(given, empty=True)), ("NaN", _spoiled(given, empty=False))):
        try:
            found = take(case.metric, replace(spoiled, rng=np.random.default_rng(0)))
            attempt(case.metric, replace(spoiled, rng=np.random.default_rng(0)))
        except MemoryError:
            raise
        except Exception as error:
            expect(False, f"of {what} it ends in {type(error).__name__}: {error}")
        silent = [name for name, estimate in found.items() if estimate.value is None and not estimate.note]
        expect(not silent, f"of {what} {', '.join(silent)} have neither a number nor a reason")
        if what == "no rows":
            numbers = [name for name, estimate in found.items() if estimate.value is not None]
            expect(not numbers, f"of no rows {', '.join(numbers)} have a number")
    return "of no rows, and of NaN"


def _spoiled(given: Evidence, *, empty: bool) -> Evidence:
    """The same without what the model gave, or with NaN in it."""

    def spoil(values: Array | None) -> Array | None:
        if values is None or empty or not len(values):
            return None if values is None else values[:0]
        values = values.copy()
        values.reshape(len(values), -1)[7] = np.nan
        return values

    generated = spoil(given.generated)
    assert generated is not None
    if empty:  # Log-densities and scores are those of the test rows, of which there are always some.
        nothing = np.full(len(given.data.test), np.nan)
        return replace(given, generated=generated, log_prob=nothing, scores=nothing, reconstructions=generated)
    return replace(
        given,
        generated=generated,
        log_prob=spoil(given.log_prob),
        scores=spoil(given.scores),
        reconstructions=spoil(given.reconstructions),
    )


OF_METRICS = collected(
    names_its_columns,
    gives_numbers,
    repeats_itself,
    leaves_rows_alone,
    minds_no_order,
    sees_flaws,
    says_why_there_is_no_number,
)
"""What every metric keeps."""
