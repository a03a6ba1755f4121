"""A study of quantum taggers with their controls, from its file to a table that has ranks beside parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from qinn_bench import outside
from qinn_bench.cli.main import main
from qinn_bench.records import store

FOLDERS = Path(__file__).parent / "new_kinds"
STUDY = f"""
name = "taggers"
data = ["spots"]
seeds = 1
samples = 50
controls = true
metrics = ["roc_auc", "mse"]

[plugins]
data_sets = "{FOLDERS}/data"

[budgets.short]
steps = 30
batch = 64
learning_rate = 0.05
precision = "float64"

[[models]]
model = "sqae"
knobs = {{ patch = 2, uploads = 1, latent = 2 }}
[[models]]
model = "qae_1p1q"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study, run once; its file and its results."""
    folder = tmp_path_factory.mktemp("taggers")
    path = folder / "taggers.toml"
    path.write_text(STUDY)
    assert main(["run", str(path), "--results", str(folder / "results"), "-j", "1"]) == 0
    yield path, folder / "results"
    outside.of_options({})


def test_every_circuit_has_its_controls_and_what_does_not_fit_is_skipped(finished):
    records = {one.row: one for one in store.load_all(finished[1], "taggers")}
    skipped = records.pop("qae_1p1q")
    assert len(records) == 6 and {one.status for one in records.values()} == {"ok"}
    assert skipped.status == "skipped"
    assert "takes flat rows, but those of data 'spots' are image rows of 1 x 5 x 5" in skipped.reason


def test_the_rank_stands_beside_the_parameters(finished, capsys):
    path, results = finished
    assert main(["table", str(path), "--results", str(results), "--format", "md"]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| model")]
    assert heads and all(
        [cell.strip() for cell in head.split("|")][2:5] == ["param.", "rank", "quant."] for head in heads
    )
    record = next(one for one in store.load_all(results, "taggers") if one.row == "sqae")
    assert 0 < record.resources.rank <= record.parameters.live < record.parameters.total
