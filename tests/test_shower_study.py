"""A study of showers from its file to a table, figures, and files for the evaluation of the CaloChallenge."""

from __future__ import annotations

import numpy as np
import pytest

from qinn_bench import outside, registry
from qinn_bench.cli.main import main
from qinn_bench.data.readers import binning_xml, calo_challenge
from qinn_bench.dataset import Evidence
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.records import store
from qinn_bench.report import study_figure_set

STUDY = """
name = "showers"
data = ["photon_showers[events=800,form=pixels,pixels=8]", "photon_showers[events=900,energies=1024;16384;262144]"]
seeds = 1
samples = 150
mass_draws = 2000
metrics = ["shower_separation", "shower_zeros", "shower_chi2", "layer_correlation", "fpd"]

[budgets.short]
steps = 20
batch = 64

[[models]]
model = "truth"
[[models]]
model = "affine_inn"
knobs = { blocks = 2, hidden = 4 }
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study, run once; its file and its results."""
    folder = tmp_path_factory.mktemp("showers")
    path = folder / "showers.toml"
    path.write_text(STUDY)
    assert main(["run", str(path), "--results", str(folder / "results"), "-j", "1"]) == 0
    yield path, folder / "results"
    outside.of_options({})


def test_every_cell_has_the_numbers_of_showers_with_the_truth_as_floor(finished):
    records = store.load_all(finished[1], "showers")
    assert len(records) == 4 and {one.status for one in records} == {"ok"}
    for data in {str(one.cell.data) for one in records}:
        of_data = {one.row: one.metrics for one in records if str(one.cell.data) == data}
        for column in ("shower_separation_mean", "fpd", "layer_correlation_mean"):
            assert 0 < of_data["truth"][column].value < of_data["affine_inn"][column].value, column


def test_showers_are_written_for_the_challenge_and_give_the_same_numbers(finished, capsys):
    pytest.importorskip("h5py", reason="needs the extra [formats]", exc_type=ImportError)
    path, results = finished
    assert main(["showers", str(path), "--results", str(results), "-d", "photon_showers[form=layers]"]) == 0
    written = [results.parent / line for line in capsys.readouterr().out.splitlines()]
    assert len(written) == 4 and all(one.exists() for one in written)
    calorimeter = binning_xml.read(next(one for one in written if one.suffix == ".xml"))
    truth, made = (
        calo_challenge.read(next(p for p in written if word in p.name), calorimeter) for word in ("_truth.", "affine")
    )
    assert truth.incident.tolist() == made.incident.tolist() and len(set(truth.incident)) == 3
    data = registry.make("data", registry.parse_use("photon_showers[events=900,energies=1024;16384;262144]"))
    rows = [of.energies / of.incident[:, None] for of in (truth, made)]
    found = all_metrics()["shower_separation"].compute(Evidence(data, *rows, None, None, np.random.default_rng(0)))
    record = next(
        one for one in store.load_all(results, "showers") if one.row == "affine_inn" and one.cell.data.knobs["energies"]
    )
    for column, one in found.items():
        assert one.value == pytest.approx(record.metrics[column].value, abs=1e-6), column


def test_figures_of_showers_are_drawn(finished, tmp_path, capsys):
    path, results = finished
    assert main(["figure", str(path), "--results", str(results), "--out", str(tmp_path)]) == 0
    names = {one.stem.rpartition("]_")[2] for one in tmp_path.iterdir()}
    assert {"profiles", "histograms", "correlations", "average_showers", "observables", "losses"} <= names


@pytest.mark.parametrize(
    "text", ["photon_showers[events=400,form=voxels,coordinates=shares]", "pion_showers[events=400]"]
)
def test_figures_have_a_panel_for_each_layer_and_stand_rows_that_are_no_numbers(text):
    data = registry.make("data", registry.parse_use(text))
    rows = data.train[:100].copy()
    rows[0] = np.nan
    made = study_figure_set._of_showers(data, {"mine": [rows, rows]}, {})
    layers = len(data.showers.calorimeter.layers)
    assert ("average_showers" in made) == (data.dim > layers)
    if "average_showers" in made:
        assert len(made["average_showers"].axes) == 2 * layers + 1
    assert len(made["correlations"].axes) == 3 or data.dim == layers
    assert study_figure_set._of_showers(data, {}, {}) == {}
    assert study_figure_set._of_showers(data, {"mine": [rows[:1]]}, {}) == {}


def test_a_study_without_showers_has_none_to_write(tmp_path, capsys):
    path = tmp_path / "moons.toml"
    path.write_text(
        STUDY.replace(STUDY[STUDY.index("data =") : STUDY.index("seeds")], 'data = ["moons[events=400]"]\n')
    )
    assert main(["showers", str(path), "--results", str(tmp_path)]) == 2
    assert "has no finished cell that has drawn showers" in capsys.readouterr().err
