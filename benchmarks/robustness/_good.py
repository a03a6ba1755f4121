"""A folder with one good file of every kind that the verbs read, and the calls that read each."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qinn_bench import registry
from qinn_bench.calorimeter import LAYOUTS
from qinn_bench.data import sample_files, sample_sources
from qinn_bench.data.readers import binning_xml, calo_challenge
from qinn_bench.performance.counters import golden
from qinn_bench.performance.counters.golden import Known
from qinn_bench.performance.machine import this_machine
from qinn_bench.performance.nightly import anchor, run_files
from qinn_bench.performance.nightly.anchor import Anchor
from qinn_bench.performance.nightly.run_files import RunRow
from qinn_bench.records import published
from qinn_bench.records.provenance import commit
from qinn_bench.sensitivity import licence
from qinn_bench.sensitivity.licence import Licence, Sight
from qinn_bench.study import planning, run_cell, study_files
from qinn_bench.values import Estimate, Parameters
from qinn_bench.verdicts import claim_locks, golden_numbers

ROOT = Path(__file__).parents[2]
LAYOUT = "dataset_1_photons"
STUDY = """name = "toy"
title = "A small study"
data = ["moons[events=2000]"]
seeds = 5
samples = 200
mass_draws = 2000
columns = ["swd", "nll"]
sizes = [60, 200]
[budgets.tiny]
steps = 1
batch = 16
learning_rate = 0.01
[[models]]
model = "spline_inn"
label = "spline"
ladder = [{ blocks = 2, hidden = 4, bins = 3 }, { blocks = 2, hidden = 8, bins = 4 }]
[[models]]
model = "affine_inn"
knobs = { hidden_layers = 1 }
ladder = [{ blocks = 2, hidden = 4 }, { blocks = 4, hidden = 12 }]
[match]
tolerance = 0.9
"""
CLAIMS = """name = "small"
title = "A small file"
source = "nobody"
study = "toy.toml"
level = 0.05
[[claims]]
id = "better"
statement = "one is better than the other"
first = "spline · 60"
second = "affine_inn · 60"
metric = "swd"
relation = "better"
data = "moons"
margin = 0.001
unit = "sd"
[[claims]]
id = "ratio"
statement = "one needs fewer parameters"
first = "spline"
second = "affine_inn"
metric = "swd"
relation = "ratio-at-least"
ratio = 2.0
data = "moons"
"""
WATCH = """study = "toy.toml"
first_seeds = 5
level = 0.05
[margins]
swd = 0.02
"""


@dataclass(frozen=True)
class Target:
    """A kind of file, its form, where it lies, the calls that read it, and how often it is damaged."""

    name: str
    form: str
    files: list[str]
    calls: list[list[str]]
    weight: int = 1


@dataclass(frozen=True)
class Good:
    """The folder and its targets."""

    folder: Path
    targets: list[Target]


def make(folder: Path, only: str | None) -> Good:
    """Write the folder."""
    results = folder / "results"
    results.mkdir(parents=True)
    (folder / "claims").mkdir()
    for name, text in (("toy.toml", STUDY), ("claims/claims.toml", CLAIMS), ("quality.toml", WATCH)):
        (folder / name).write_text(text, encoding="utf8")
    shutil.copy(ROOT / "docs/examples/demsar2006.csv", folder / "table.csv")
    records = _records(folder / "toy.toml", results)
    published.write(folder / "toy.jsonl.gz", "toy", records)
    claim_locks.freeze(folder / "claims/claims.toml")
    watch = golden_numbers.load_watch(folder / "quality.toml")
    golden_numbers.save_golden(
        results / "golden" / "quality" / "toy.json", golden_numbers.golden_of(watch, "toy", records, "c" * 40, "here")
    )
    _licence(results, str(records[0].provenance["data_hash"]))
    known = {golden.environment(): {"plan[n=1]": Known(version="a" * 12, counters={"calls": 3}).model_dump()}}
    (results / "golden" / "counters.json").write_text(json.dumps(known), encoding="utf8")
    run_file = _night(results)
    anchor.save(results, Anchor(commit=str(commit()["commit"]), reason="settled", day="2026-01-01"))
    _sample(folder / "samples")
    _showers(folder)
    found = _targets(folder, run_file)
    return Good(folder, [target for target in found if only in (None, target.name)])


def _records(study: Path, results: Path) -> list[object]:
    rng = np.random.default_rng(0)
    made = []
    for order in planning.plan(study_files.load_study(study), results):
        shift = 0.2 if order.row.startswith("spline") else 0.3
        number = shift + 0.01 * rng.normal() + 10 / max(order.size, 50)
        metrics = {
            "swd": Estimate(value=number, error=0.01, n=200, unit="sd", better="lower"),
            "nll": Estimate(value=1 + number, error=0.01, n=200, unit="nats", better="lower"),
        }
        steps = np.arange(1, 4)
        arrays = {"samples": rng.normal(size=(50, 2)), "log_prob": rng.normal(size=200), "curve_step": steps}
        arrays |= {"curve_train": 1 / steps, "curve_valid": 1 / steps}
        counted = Parameters(total=order.size, quantum=0, classical=order.size, frozen=0)
        made.append(run_cell.save(order, arrays, metrics=metrics, parameters=counted, cost={"train_wall_s": 1.0}))
    return made


def _licence(results: Path, fingerprint: str) -> None:
    data = registry.make("data", registry.spell_out("data", registry.parse_use("moons[events=2000]")))
    assert data.fingerprint == fingerprint
    sight = Sight(
        metric="swd",
        column="swd",
        samples=100,
        deformation="shift",
        epsilon=0.1,
        low=0.05,
        high=0.2,
        top=1,
        repeats=9,
        null=9,
    )
    made = Licence(data="moons[events=2000]", fingerprint=fingerprint, sights=(sight,))
    licence.write(licence.path(results, "moons[events=2000]"), made)


def _night(results: Path) -> Path:
    machine = this_machine()
    common = {"run": "0123abcd", "utc": "2026-03-04T05:06:07+00:00", "commit": "c" * 40, "dirty": False}
    common |= {"machine": machine.name, "environment": "e", "version": "v", "clock": "none", "unit": ""}
    night = RunRow(workload="nightly", quantity="exit code", knobs={}, value=0.0, **common)
    step = RunRow(
        workload="plan", quantity="step", knobs={"n_qubits": 4}, value=1e-3, ratio=1.01, launches=(0.99, 1.02), **common
    )
    return run_files.save(results, [night, step], machine)


def _sample(folder: Path) -> None:
    rows = sample_files.read(sample_sources.BUNDLED)[0]["rows"][:500]
    provenance = {"events": 500, "seed": 1, "quality": "fast", "cuts": "lhc", "min_ptz": 0.0}
    folder.mkdir()
    sample_files.write(
        folder,
        "zjets-0123456789abcdef",
        {"rows": rows},
        provenance | {"rows_sha256": hashlib.sha256(rows.tobytes()).hexdigest()},
    )


def _showers(folder: Path) -> None:
    """A file of showers in HDF5 and its binning in XML."""
    rng, calorimeter = np.random.default_rng(0), LAYOUTS[LAYOUT]
    energies = rng.gamma(0.3, size=(20, calorimeter.voxels)) * 100
    calo_challenge.write(folder / "showers.hdf5", np.full(20, 65536.0), energies)
    binning_xml.write(folder / "binning.xml", calorimeter)


def _targets(folder: Path, run_file: Path) -> list[Target]:
    def below(pattern: str) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))

    tables = [["table", "toy.toml"], ["table", "toy.toml", "--format", "latex"], ["table", "toy.toml", "--json"]]
    ratios = [["capacity", "toy.toml", "--metric", "swd"], ["variance", "toy.toml", "--metric", "swd"]]
    check, night = ["claims", "check", "claims/claims.toml"], ["nightly", "--busy=-1", "--watch", "quality.toml"]
    packed = ["--records", "toy.jsonl.gz"]
    return [
        Target("study", "toml", ["toy.toml"], [["status", "toy.toml"], *tables, *ratios, ["publish", "toy.toml"]], 4),
        Target(
            "claims",
            "toml",
            ["claims/claims.toml"],
            [check, ["claims", "list", "claims"], ["claims", "freeze", "claims/claims.toml"]],
            3,
        ),
        Target("lock", "json", ["claims/claims.frozen.json"], [check, ["claims", "freeze", "claims/claims.toml"]], 1),
        Target(
            "record", "json", below("results/records/toy/*.json"), [["status", "toy.toml"], *tables, *ratios, check], 4
        ),
        Target(
            "arrays", "arrays", below("results/records/toy/*.npz"), [["figure", "toy.toml"], check, check, check], 2
        ),
        Target(
            "published records", "gzip", ["toy.jsonl.gz"], [[*one, *packed] for one in (*tables, *ratios, check)], 4
        ),
        Target("licence", "json", below("results/licence/*.json"), [["table", "toy.toml"], check], 2),
        Target("what is watched", "toml", ["quality.toml"], [["quality", "--watch", "quality.toml"]], 1),
        Target(
            "golden numbers",
            "json",
            below("results/golden/quality/*.json"),
            [["quality", "--watch", "quality.toml"]],
            2,
        ),
        Target("known counters", "json", ["results/golden/counters.json"], [["counters", "no such workload"]], 1),
        Target("run", "json", [str(run_file.relative_to(folder))], [night], 2),
        Target("anchor", "json", ["results/anchor.json"], [night], 1),
        *_tables(),
    ]


def _tables() -> list[Target]:
    """What others bring: a table of results, and a sample of events."""
    compared = ["compare", "--from", "table.csv", "--row", "classifier", "--column", "dataset", "--value", "auc"]
    sample = "zjets-0123456789abcdef"
    showers = [["data", "info", "calo_file[path=showers.hdf5,binning=binning.xml]"]]
    return [
        Target("showers", "hdf5", ["showers.hdf5"], showers, 2),
        Target("binning", "xml", ["binning.xml"], showers, 2),
        Target("table", "csv", ["table.csv"], [compared, [*compared, "--drop"], [*compared, "--json"]], 3),
        Target(
            "rows of a sample",
            "arrays",
            [f"samples/{sample}.npz"],
            [["data", "verify"], ["data", "info", f"zjets[sample={sample}]"]],
            1,
        ),
        Target(
            "provenance",
            "json",
            [f"samples/{sample}.json"],
            [["data", "list"], ["data", "verify"], ["data", "info", sample]],
            2,
        ),
    ]
