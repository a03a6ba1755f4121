"""The columns and notes of tables: what was measured is shown, CPU seconds, buffers, controls, and the plan's names."""

from __future__ import annotations

import numpy as np
import torch
from test_report import quality, record

from qinn_bench.capacity import buffers
from qinn_bench.contracts import Batch, Density, Model
from qinn_bench.records import store
from qinn_bench.report.family_curves import Families
from qinn_bench.report.notes import CHAOS
from qinn_bench.report.study_columns import default_columns
from qinn_bench.report.study_table import table
from qinn_bench.study import campaign, grid, planning, progress, run_cell, study_files
from qinn_bench.values import Estimate, Parameters, Training, Use

OWN = Estimate(value=0.3, error=0.1, better="lower")


def names(made):
    return [heading.name for heading in made.header]


def test_what_was_measured_is_shown_and_nothing_else_is_missed():
    made = table([record("m", metrics={"own": OWN, "own_second": OWN, **quality(6.5)}, verdict="pass")])
    assert names(made)[:6] == ["model", "parameters", "quantum", "nll", "mass", "own"]
    assert {"own_second", "mmd", "sep_mean", "c2st", "peak_mass"} <= set(names(made))
    assert names(made)[-2:] == ["train_s", "seeds"] and "w1_m_ll" not in names(made)
    assert any("More was measured, to be had with --columns: w1_mean, w1_m_ll." in note for note in made.footnotes)
    assert not any("Left out" in note for note in made.footnotes)


def test_without_a_density_there_is_no_mass():
    assert default_columns([record("m", metrics={"own": OWN}, verdict=None)]) == (
        *("parameters", "quantum", "own", "train_s", "seeds"),
    )


def test_seconds_are_those_of_the_cpu_and_wall_seconds_stand_beside_them_where_asked():
    made = table([record("m", metrics=quality(6.5))], ("train_s", "train_wall_s"))
    assert [str(entry) for entry in made.rows[0].entries[1:]] == ["12.50", "112.5"]
    assert [str(heading) for heading in made.header[1:]] == ["train CPU [s]", "train wall [s]"]


def test_the_table_says_that_training_is_chaotic_and_what_has_no_control():
    quantum = record("q", metrics=quality(6.5))
    assert CHAOS in table([quantum]).footnotes
    told = [note for note in table([quantum]).footnotes if note.startswith("Without controls: q;")]
    assert "take no backend" in told[0]
    with_backend = quantum.model_copy(update={"cell": quantum.cell.model_copy(update={"backend": "native"})})
    assert any("controls = true" in note for note in table([with_backend]).footnotes)
    frozen = with_backend.cell.model_copy(update={"control": "frozen"})
    control = record("q-frozen", role="control", control_of="q", metrics=quality(6.9)).model_copy(
        update={"cell": frozen}
    )
    assert not any("Without controls" in note for note in table([with_backend, control]).footnotes)
    there = with_backend.model_copy(update={"cell": with_backend.cell.model_copy(update={"data": Use(name="moons")})})
    told = [note for note in table([with_backend, control, there]).footnotes if note.startswith("Without controls")]
    assert told[0].startswith("Without controls: q on moons;")


def test_a_row_whose_numbers_are_in_buffers_never_wins():
    held = Parameters(total=1, quantum=0, classical=1, frozen=0, buffers=4000)
    kde = record("kde", metrics=quality(5.0, 1e-6, 0.001), parameters=held)
    few = Parameters(total=300, quantum=0, classical=300, frozen=0, buffers=16)
    flows = [record("a", metrics=quality(6.5), parameters=few), record("b", metrics=quality(6.9), parameters=few)]
    made = table([kde, *flows])
    best = {line.model for line in made.rows for entry in line.entries if entry.best}
    assert best and "kde" not in best
    at = names(made).index("buffers")
    assert [str(line.entries[at]) for line in made.rows] == ["4000", "16", "16"]
    assert any("kde on zjet: 4000 fitted numbers in buffers beside 1 parameters" in note for note in made.footnotes)
    assert "buffers" not in names(table([record("c", metrics=quality(6.5))]))


def test_critics_are_counted_apart_where_there_are_some():
    trained = Parameters(total=300, quantum=0, classical=300, frozen=0, critic=900)
    made = table([record("gan", metrics=quality(6.5), parameters=trained), record("a", metrics=quality(6.9))])
    at = names(made).index("critic")
    assert [str(line.entries[at]) for line in made.rows if line.model == "gan"] == ["900"]
    assert "critic" not in names(table([record("a", metrics=quality(6.9))]))


class Held(Model):
    """Rows, with a mask that nothing fits and starting points that no density depends on."""

    def __init__(self, rows=None):
        super().__init__(2)
        self.register_buffer("rows", torch.zeros(5, 2) if rows is None else rows)
        self.register_buffer("mask", torch.ones(2))
        self.register_buffer("starts", torch.zeros(7, 2) if rows is None else rows.repeat(2, 1)[:7])
        self.register_buffer("steps", torch.tensor(3))
        self.scale = np.ones(2) if rows is None else np.full(2, 2.0)


class Kernels(Held, Density):
    """A density of kernels at the rows."""

    def log_prob(self, x, condition=None):
        distance = torch.cdist(x * self.mask / torch.as_tensor(self.scale), self.rows)
        return -distance.square().logsumexp(1)


def test_fitted_numbers_outside_of_parameters_are_counted():
    rows = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model, at = Kernels(rows).double(), Batch(torch.ones(3, 2, dtype=torch.float64))
    kept = {name: value.clone() for name, value in model.named_buffers()}
    assert buffers.fitted(model, buffers.snapshot(Kernels()), at, given=False) == 10 + 2
    assert all(torch.equal(kept[name], value) for name, value in model.named_buffers())
    assert buffers.fitted(model, buffers.snapshot(Kernels(rows)), at, given=True) == 10 + 2 + 2
    assert buffers.fitted(model, buffers.snapshot(model), at, given=False) == 0
    assert buffers.fitted(Held(rows).double(), buffers.snapshot(Held()), at, given=False) == 10 + 14 + 2


STUDY = """
name = "toy"
data = ["moons"]
seeds = 1
samples = 100
metrics = ["swd"]

[budgets.short]
steps = 10

[[models]]
model = "spline_inn"
label = "{0}"
knobs = {{ blocks = 2, hidden = 2 }}

[[models]]
model = "affine_inn"
label = "{1}"
knobs = {{ blocks = 2, hidden = 2 }}
"""


def test_labels_exchanged_after_a_run_are_those_of_the_plan(tmp_path):
    path, results = tmp_path / "toy.toml", tmp_path / "results"
    path.write_text(STUDY.format("a", "b"))
    for at, order in enumerate(planning.plan(study_files.load_study(path), results)):
        run_cell.save(order, {}, metrics={"swd": Estimate(value=float(at), unit="sd", better="lower")})
    path.write_text(STUDY.format("b", "a"))
    study = study_files.load_study(path)
    orders, drawn = planning.plan(study, results), grid.draw(study)
    model_of = {"b": "spline_inn", "a": "affine_inn"}
    older = [one.model_copy(update={"key": f"old{at}"}) for at, one in enumerate(store.load_all(results, "toy"))]
    for known in (store.load_all(results, "toy"), older):
        cells = progress.standings(grid.slots(study, drawn), drawn, known)
        assert {one.record.row: one.record.cell.model.name for one in cells} == model_of
        assert all(one.current for one in cells)
    found = campaign.finished(orders)
    assert {one.row: one.cell.model.name for one in found} == {one.family: one.cell.model.name for one in found}
    assert {one.row: one.cell.model.name for one in found} == model_of
    assert [line.model for line in table(found).rows] == ["b", "a"]


def trained(row, seed, gain, until="converged", steps=4000):
    one = record(row, seed, metrics=quality(6.5))
    budget = one.cell.budget.model_copy(update={"until": until, "margin": 0.05})
    told = None if gain is None else Estimate(value=gain, error=0.001, better="zero")
    training = Training(steps=steps, best_step=steps, best_loss=6.5, stopped="budget used up", gain=told)
    return one.model_copy(update={"cell": one.cell.model_copy(update={"budget": budget}), "training": training})


def test_a_row_of_which_a_seed_would_still_fall_by_the_margin_is_marked_and_says_so():
    rows = [trained("a", 0, 0.01), trained("a", 1, 0.13), trained("b", 0, 0.047), trained("b", 1, 0.002)]
    made = table([*rows, trained("c", 0, 0.049)])  # below the margin, but not with its error
    assert [str(line.entries[0]) for line in made.rows] == ["a ↓", "b", "c ↓"]
    assert str(made.rows[0].entries[names(made).index("gain")]).startswith("0.07")
    assert "a on zjet: 1 of 2 seeds, by up to 0.13; the study's margin is 0.05." in made.footnotes
    assert not any(note.startswith("b on zjet") for note in made.footnotes)


def test_only_where_a_study_asks_for_convergence_a_row_can_miss_it():
    assert "gain" not in names(table([trained("a", 0, 9.0, until="steps")]))
    told = table([trained("a", 0, 9.0, until="steps")], ("gain", "steps"))
    assert [str(entry) for entry in told.rows[0].entries] == ["a", "9.0000(10)", "4000"]
    unknown = table([trained("a", 0, None)])
    assert str(unknown.rows[0].entries[0]) == "a ↓" and any(
        "a on zjet: 1 of 1 seeds, nothing tells by how much" in note for note in unknown.footnotes
    )
    assert "↓" not in str(table([trained("a", 0, None, steps=0)]).rows[0].entries[0])


def test_curves_say_how_long_the_rows_were_really_trained():
    grown = [
        one.model_copy(update={"size": 300})
        for one in (trained("a", 0, 0.01, steps=1000), trained("b", 0, 0.1, steps=13000))
    ]
    assert Families([], [], "nll", "parameters", "", grown, []).budget == "converged, 13000 steps at most"
    fixed = [trained("a", 0, None, until="steps").model_copy(update={"size": 300})]
    assert Families([], [], "nll", "parameters", "", fixed, []).budget == f"{fixed[0].cell.budget.steps} steps"
    assert not Families([], [], "nll", "parameters", "", [*grown, *fixed], []).budget
