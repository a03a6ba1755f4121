"""Records of rows whose numbers are given: what verdicts and claims are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qinn_bench.records import store
from qinn_bench.values import Budget, Cell, Certificate, Estimate, Record, Use, Verdict

KINDS: dict[str, dict[str, str]] = {
    "nll": {"unit": "nats", "better": "lower"},
    "swd": {"unit": "sd", "better": "lower"},
    "w1_m_ll": {"unit": "sd", "better": "lower"},
    "c2st": {"unit": "AUC", "better": "lower"},
    "shorth_width": {"unit": "GeV", "better": "none"},
}
CELL = Cell(
    model=Use(name="m", knobs={"a": 1}),
    data=Use(name="d"),
    budget=Budget(),
    backend="none",
    device="cpu",
    seed=0,
    samples=10,
    mass_draws=10,
)
"""Settings of a cell, for what looks at no other."""
CONTROLS = ("frozen", "unentangled", "fourier", "tanh", "untrained")


def certificate(verdict: Verdict = "pass", mass: float = 1.0) -> Certificate:
    return Certificate(
        verdict=verdict,
        reasons=() if verdict == "pass" else (f"the density integrates to {mass:g}",),
        mass=Estimate(value=mass, error=0.003, better="one"),
        interval=(mass - 0.006, mass + 0.006),
        effective_share=0.1,
        draws=1000,
    )


def built(**facts: Any) -> Record:
    """A record with these facts of it and of its cell; all others are those of `CELL` and of a finished model."""
    of_cell = {name: facts.pop(name) for name in list(facts) if name in Cell.model_fields}
    usual = {"key": "k", "study": "s", "row": "m", "role": "model", "status": "ok"}
    return Record(cell=CELL.model_copy(update=of_cell), **(usual | facts))


def record(row: str, seed: int, metric: str, value: float | None, **more: Any) -> Record:
    """One finished cell; `more` are fields of the record or of its cell."""
    data, n = more.pop("data", Use(name="toy")), more.pop("n", 100)
    usual: dict[str, Any] = {
        "metrics": {metric: Estimate(value=value, error=0.01, n=n, **KINDS[metric])},  # type: ignore[arg-type]
        "certificate": certificate(),
        "provenance": {"data_hash": "d", "finished_utc": f"2026-01-02T00:00:{seed:02d}+00:00"},
        "model": Use(name="m"),
        "samples": 100,
        "family": row.partition(" · ")[0],
    }
    return built(
        key=f"{row}{seed}{data}".replace(" ", "").replace("·", "-"),
        study="toy",
        row=row,
        data=data,
        seed=seed,
        **(usual | more),
    )


def row(name: str, values: Sequence[float | None], metric: str = "swd", **more: Any) -> list[Record]:
    """A row of the study `toy` with these numbers, one a seed."""
    return [record(name, seed, metric, value, **more) for seed, value in enumerate(values)]


def quantum(
    name: str, values: Sequence[float | None], controls: dict[str, Sequence[float]], metric: str = "swd", **more: Any
) -> list[Record]:
    """A row with circuits and its controls."""
    found = row(name, values, metric, backend="native", **more)
    for kind, theirs in controls.items():
        extra = {"control": kind, "control_of": name, "role": "control", "backend": "native"}
        found += row(f"{name} · {kind}", theirs, metric, **extra)
    return found


def around(mean: float, n: int = 6, spread: float = 0.01, seed: int = 0) -> list[float]:
    """Numbers of `n` seeds about a mean."""
    return [float(x) for x in np.random.default_rng(seed).normal(mean, spread, n)]


def save(results: Any, records: Sequence[Record], arrays: Sequence[store.Arrays] | None = None) -> None:
    """Write records, each with its arrays."""
    for at, one in enumerate(records):
        store.save(results, one, arrays[at] if arrays else {})
