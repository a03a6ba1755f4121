"""What other projects read says what the records say: numbers with uncertainties, benchopt's columns, Croissant."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.records import published
from qinn_bench.report.exports.croissant import SPLITS, rows_frame
from qinn_bench.report.exports.results_json import RESULTS, schema_text
from qinn_bench.statistics import direction

ROOT = Path(__file__).parents[1]
QUICK = ROOT / "results/published/quick.jsonl.gz"
WHERE = [str(ROOT / "benchmarks/studies/quick.toml"), "--records", str(QUICK)]


@pytest.fixture(scope="module")
def records():
    return {record.key: record for record in published.read(QUICK, "quick")}


def test_every_number_has_its_uncertainty(records, tmp_path):
    out = tmp_path / "quick.json"
    assert main(["export", *WHERE, "--to", "metriq", "--out", str(out)]) == 0
    told = json.loads(out.read_text())
    assert {one["job_id"] for one in told} == set(records)
    for one in told:
        record = records[one["job_id"]]
        assert {name: (n["value"], n["uncertainty"]) for name, n in one["results"].items()} == {
            name: (n.value, n.error) for name, n in record.metrics.items()
        }
        assert one["params"]["seed"] == record.cell.seed and one["suite"] == "quick"
        assert one["timestamp"] == record.provenance["finished_utc"] and one["platform"]["provider"] == "local"
    assert len(RESULTS.validate_json(out.read_text())) == len(records)


def test_the_schema_is_committed_and_its_results_keep_it(tmp_path, capsys):
    assert (ROOT / "results/schema/results.schema.json").read_text() == schema_text()
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["export", *WHERE, "-m", "qinn", "-s", "0", "--to", "metriq"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, json.loads(schema_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([one | {"results": {"nll": {"error": 1}}} for one in told], json.loads(schema_text()))


def test_the_columns_of_benchopt(records, tmp_path):
    out = tmp_path / "quick.parquet"
    assert main(["export", *WHERE, "--to", "benchopt", "--out", str(out)]) == 0
    frame = pd.read_parquet(out)
    wanted = ["objective_name", "dataset_name", "solver_name", "idx_rep", "stop_val", "time", "objective_value"]
    assert list(frame.columns[:7]) == wanted and len(frame) == len(records)
    for record in records.values():
        (row,) = frame[(frame["solver_name"] == record.row) & (frame["idx_rep"] == record.cell.seed)].to_dict("records")
        first = record.metrics.get("nll") or record.metrics["out"]
        assert row["objective_value"] == pytest.approx(direction.loss(first.value, first.better))
        assert row["objective_swd"] == record.metrics["swd"].value and row["time"] == record.cost["train_wall_s"]
        assert all(row[f"p_solver_{knob}"] == str(value) for knob, value in record.cell.model.knobs.items())
    assert main(["export", *WHERE, "--to", "benchopt"]) == 2


def test_a_data_set_is_read_back_from_its_table_and_its_metadata(tmp_path):
    out = tmp_path / "moons"
    words = ["data", "croissant", "moons[events=400]", "--out", str(out), "--license", "https://spdx.org/licenses/MIT"]
    assert main(words) == 0
    data = registry.make("data", registry.spell_out("data", registry.parse_use("moons[events=400]")))
    frame, told = pd.read_parquet(out / "moons.parquet"), json.loads((out / "croissant.json").read_text())
    for split in SPLITS:
        rows = frame[frame["split"] == split][[column.name for column in data.columns]].to_numpy()
        assert np.array_equal(rows, getattr(data, split))
    (file,) = told["distribution"]
    assert file["sha256"] == hashlib.sha256((out / file["contentUrl"]).read_bytes()).hexdigest()
    fields = told["recordSet"][0]["field"]
    assert [one["source"]["extract"]["column"] for one in fields] == list(frame.columns)
    assert told["license"].endswith("MIT") and "url" not in told and data.fingerprint in told["description"]


def test_labels_and_images_are_columns_too():
    data = registry.make("data", registry.spell_out("data", registry.parse_use("digits")))
    frame = rows_frame(data)
    assert set(frame["label"]) == {0, 1} and len(frame) == len(data.train) + len(data.valid) + len(data.test)
    assert np.array_equal(
        frame[frame["split"] == "test"][["x0", "x1"]].to_numpy(), data.test.reshape(len(data.test), -1)[:, :2]
    )


def test_croissants_own_library_reads_the_rows(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    assert main(["data", "croissant", "moons[events=400]", "--out", str(tmp_path)]) == 0
    dataset = mlcroissant.Dataset(tmp_path / "croissant.json")
    assert not dataset.metadata.issues.errors
    assert len(list(dataset.records(record_set="rows"))) == 400
