"""Audit every planted density with the code of one tree, in a process of its own: ``python _planted_audit.py TREE``.

Prints a line of JSON for each density, and one for each law whose mass is estimated again and again. With a second
argument, ``stated``, each density is audited once more as one whose model says, falsely where it is wrong, that it
integrates to 1 by construction.
"""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, "known_source_files")]
    sys.path.insert(0, sys.argv[1])

import numpy as np
import torch
from _planted_laws import RIGHT, Planted, Rows, all_planted

from qinn_bench.data.transforms import AsTheyAre
from qinn_bench.dataset import Column, Dataset
from qinn_bench.validity.certificate import certify
from qinn_bench.validity.density_mass import estimate_mass, fit_proposal

DRAWS = 40_000
Z_LAWS, Z_DIM, Z_REPEATS, Z_DRAWS = ("bent normal", "Student t with 3", "funnel", "skew normal"), 4, 100, 150_000


class Claimed:
    """A density without a map, which may say that it integrates to 1 by construction."""

    def __init__(self, planted: Planted, *, stated: bool = False) -> None:
        self.planted, self.one_to_one = planted, stated

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, dim) -> (n,)`` in nats."""
        with np.errstate(all="ignore"):
            return torch.from_numpy(self.planted.log_density(x.numpy()))


def dataset(rows: Rows) -> Dataset:
    """Half of the rows are for training, half are test rows."""
    half = len(rows) // 2
    return Dataset(
        name="planted",
        columns=tuple(Column(f"x{i}", f"x{i}") for i in range(rows.shape[1])),
        train=rows[:half],
        valid=rows[half:],
        test=rows[half:],
        transform=AsTheyAre(),
        observables=lambda _: {},
        plots=(),
        support=lambda x: np.ones(len(x), bool),
        fingerprint="planted",
    )


def audit(planted: Planted, *, stated: bool = False) -> dict[str, object]:
    """What the certificate says of a planted density, whose model may state that it is one."""
    data = dataset(planted.data)
    claimed = Claimed(planted, stated=stated)
    found = certify(claimed, data, planted.own, np.random.default_rng([5, planted.dim]), DRAWS)
    told = {"kind": planted.kind, "mass": planted.mass, "visited": planted.visited, "dim": planted.dim}
    bridge = getattr(found, "bridge_mass", None)
    measured = {"verdict": found.verdict, "draws": found.mass.value, "bridge": bridge.value if bridge else None}
    return told | measured | {"reasons": found.reasons}


def scores(kind: str) -> list[float]:
    """(mass - 1) / error of a law that integrates to 1, in repeated estimates with a proposal of a few components."""
    log_density, draw = RIGHT[kind](Z_DIM)
    rng = np.random.default_rng([6, len(kind)])
    proposal = fit_proposal(draw(2000, rng), draw(2000, rng), rng, components=3)
    found = [
        estimate_mass(log_density, proposal, np.random.default_rng([7, k]), Z_DRAWS, half_width=0.015)
        for k in range(Z_REPEATS)
    ]
    return [(one.value - 1) / one.error for one in found]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for one in all_planted():
        also = {"stated": audit(one, stated=True)["verdict"]} if sys.argv[2:] == ["stated"] else {}
        print(json.dumps(audit(one) | also), flush=True)
    for law in Z_LAWS:
        print(json.dumps({"law": law, "z": scores(law)}), flush=True)
