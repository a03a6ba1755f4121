"""The families of a study as curves of quality against size, from its records; without torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

import numpy as np

from qinn_bench.labels import joined
from qinn_bench.records.certified import is_doubted
from qinn_bench.records.known import on_data
from qinn_bench.records.store import data_names
from qinn_bench.statistics import direction
from qinn_bench.statistics.estimates import combine
from qinn_bench.values import Array, Control, Estimate, Record, Refused, Value

LEAST_SEEDS = 5
AXES = {
    "flops": "step_flops",
    "circuits": "circuit_evaluations",
    "cpu_best_s": "cpu_to_best_s",
    "rank": "rank",
}
"""What sizes are measured in beside parameters, each with its field of `Resources`."""


class Curve(Value):
    """A family: its sizes, ascending, and the losses of its common seeds at each, ``(sizes, seeds)``; less is better.

    Losses are the metric itself where less is better, its negative where more is, and its distance from the ideal 0 or
    1 otherwise: `sign` times the metric. `control_of` is the family that a control belongs to, and `control` of
    which kind it is. `remarks` name every
    size and seed that was left out, and why.

    Example:
        >>> curve = Curve(family="qinn", sizes=(100.0, 200.0), seeds=(0, 1), losses=((1.2, 1.1), (0.9, 1.0)),
        ...     quantum=True)
        >>> curve.arrays[1].mean(axis=1).round(2).tolist()
        [1.15, 0.95]
    """

    family: str
    sizes: tuple[float, ...]
    seeds: tuple[int, ...]
    losses: tuple[tuple[float, ...], ...]
    quantum: bool
    control_of: str = ""
    control: Control = ""
    sign: int = 1
    remarks: tuple[str, ...] = ()

    @property
    def arrays(self) -> tuple[Array, Array]:
        """Sizes ``(n,)`` and losses ``(n, seeds)``."""
        return np.array(self.sizes), np.array(self.losses).reshape(len(self.sizes), len(self.seeds))


def capacity(records: Sequence[Record], metric: str, axis: str = "parameters", data: str = "") -> list[Curve]:
    """The curve of every family that has sizes, on one data set; a control is a family of its own.

    A likelihood counts only if its certificate passed; failed and flagged records are left out and named.

    Raises:
        Refused: no sizes, an unknown metric or axis, or several data sets and none named.
    """
    sized = [r for r in records if r.size and r.cell.varies == "all" and on_data(r, data)]
    if not sized:
        raise Refused("a capacity curve needs a study with sizes, but none of the given records has one")
    if len(data_sets := sorted(set(data_names(sized).values()))) > 1:
        raise Refused(f"records of {len(data_sets)} data sets were given, of one was expected: {', '.join(data_sets)}")
    known = sorted({name for r in sized for name in r.metrics})
    if metric not in known:
        raise Refused(f"no record has a metric called '{metric}'; there are: {', '.join(known)}")
    if axis not in ("parameters", *AXES):
        raise Refused(f"no axis is called '{axis}'; there are: {', '.join(('parameters', *AXES))}")
    families: dict[str, list[Record]] = defaultdict(list)
    for record in sized:
        families[joined(record.family, record.cell.control)].append(record)
    asked = {of_control: {r.size for r in sized if bool(r.cell.control) is of_control} for of_control in (False, True)}
    return [_curve(name, of, metric, axis, asked[bool(of[0].cell.control)]) for name, of in families.items()]


def _curve(family: str, records: Sequence[Record], metric: str, axis: str, asked: Set[int]) -> Curve:
    points: dict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    lost: dict[tuple[int, str], list[int]] = defaultdict(list)
    for record in records:
        why = _left_out(record, metric, axis)
        if why:
            lost[record.size, why].append(record.cell.seed)
        elif record.cell.seed in points[record.size]:
            raise Refused(f"two records of '{record.row}' have the seed {record.cell.seed}; one was expected")
        else:
            points[record.size][record.cell.seed] = (_amount(record, axis) or 0.0, _loss(record.metrics[metric]))
    kept = {size: at for size, at in sorted(points.items()) if len(at) >= LEAST_SEEDS}
    remarks = [
        f"size {size}, {'seed' if len(of) == 1 else 'seeds'} {', '.join(map(str, sorted(of)))}: {why}"
        for (size, why), of in sorted(lost.items())
    ]
    remarks += _missing({size: len(at) for size, at in points.items()}, asked - {record.size for record in records})
    seeds = sorted(set.intersection(*(set(at) for at in kept.values()))) if kept else []
    ordered = sorted((float(np.mean([at[s][0] for s in at])), tuple(at[s][1] for s in seeds)) for at in kept.values())
    apart = [point for k, point in enumerate(ordered) if not k or point[0] > ordered[k - 1][0] > 0]
    if len(apart) < len(ordered):
        remarks.append("sizes of equal amount were taken once")
    return Curve(
        family=family,
        sizes=tuple(size for size, _ in apart),
        seeds=tuple(seeds),
        losses=tuple(losses for _, losses in apart),
        quantum=any(r.cell.backend != "none" for r in records),
        control_of=records[0].family if records[0].cell.control else "",
        control=records[0].cell.control,
        sign=min((direction.sign_of(r.metrics[metric].better) for r in records if metric in r.metrics), default=1),
        remarks=tuple(remarks),
    )


def _missing(seeds: Mapping[int, int], absent: Set[int]) -> list[str]:
    """A remark for each number of seeds that is too small, and one for the sizes that other families have."""
    few: dict[int, list[int]] = defaultdict(list)
    for size, count in sorted(seeds.items()):
        if count < LEAST_SEEDS:
            few[count].append(size)
    said = [f"{_sizes(of)}: {n} seed{'s' * (n != 1)}, {LEAST_SEEDS} are needed" for n, of in sorted(few.items())]
    return [*said, f"{_sizes(sorted(absent))}: no records"] if absent else said


def _sizes(of: Sequence[int]) -> str:
    return f"size{'s' * (len(of) != 1)} {', '.join(map(str, of))}"


def _left_out(record: Record, metric: str, axis: str) -> str:
    """Why a record does not count."""
    if record.status != "ok":
        return f"{record.status}: {record.reason}" if record.reason else record.status
    if record.flags:
        return f"flagged, {record.flags[0]}"
    if is_doubted(metric, record):
        return f"certificate {record.certificate.verdict if record.certificate else 'missing'}"
    estimate = record.metrics.get(metric)
    if estimate is None or estimate.value is None:
        return f"no value of {metric}"
    return "" if not axis or _amount(record, axis) else f"no value of {axis}"


def _amount(record: Record, axis: str) -> float | None:
    if axis == "parameters":
        return float(record.parameters.total) if record.parameters else None
    value = getattr(record.resources, AXES[axis]) if record.resources else None
    return None if value is None else float(value)


def _loss(estimate: Estimate) -> float:
    assert estimate.value is not None
    return direction.loss(estimate.value, estimate.better)


def bounds_of(records: Sequence[Record], metric: str, data: str = "") -> dict[str, Estimate]:
    """The number of each floor and ceiling of a study, over its seeds; of likelihoods the certified ones."""
    of_rows: dict[str, list[Estimate]] = defaultdict(list)
    for record in records:
        here = record.cell.varies == "all" and on_data(record, data)
        if here and record.role in ("floor", "ceiling") and not _left_out(record, metric, ""):
            of_rows[record.row].append(record.metrics[metric])
    return {row: combine(estimates) for row, estimates in of_rows.items()}
