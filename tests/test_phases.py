"""What a cell has cost by phase: timed as it runs, and told by `status` and the page of a study."""

from __future__ import annotations

import pytest
from rows import row

from qinn_bench.report.pages.study_page import phases_table
from qinn_bench.report.study_rows import groups_of
from qinn_bench.study import costs, planning, study_files
from qinn_bench.study.run_cell import run_cell
from qinn_bench.study.stopwatch import Stopwatch

STUDY = """
name = "toy"
data = ["moons[events=400]"]
seeds = 1
samples = 50
mass_draws = 2000
metrics = ["swd"]
[budgets.short]
steps = 3
[[models]]
model = "gaussian"
"""


def test_a_cell_times_all_that_it_does(tmp_path):
    (tmp_path / "toy.toml").write_text(STUDY)
    order = planning.plan(study_files.load_study(tmp_path / "toy.toml"), tmp_path)[0]
    watch = Stopwatch()
    with watch.phase("start"):
        pass
    record = run_cell(order, watch=watch)
    told = costs.cpu_by_phase([record])
    assert list(told) == list(costs.PHASES)
    assert all(seconds >= 0 for seconds in told.values())
    assert sum(told.values()) == pytest.approx(sum(v for k, v in record.cost.items() if k.endswith("_cpu_s")))


def test_only_what_was_timed_is_told_and_only_of_finished_cells():
    first, second = row("a", [0.1, 0.2])
    first, second = (r.model_copy(update={"cost": c}) for r, c in ((first, {"train_cpu_s": 4.0}), (second, {})))
    third = first.model_copy(update={"status": "crashed", "reason": "x", "cost": {"train_cpu_s": 100.0}})
    assert costs.cpu_by_phase([first, second, third]) == {"training": 4.0}
    assert costs.cpu_by_phase([second]) == {}


def test_the_page_of_a_study_has_a_line_for_each_row_that_tells_its_cost():
    told = [r.model_copy(update={"cost": {"train_cpu_s": 4.0, "certify_cpu_s": 1.5}}) for r in row("a", [0.1, 0.2])]
    records = [*told, *row("b", [0.3])]
    groups = groups_of(records)
    table = phases_table(groups, {(group.data, group.row): f"r{k}" for k, group in enumerate(groups)})
    assert table is not None and [len(line.cells) for line in table.rows] == [5]
    assert [cell.text for cell in table.rows[0].cells][0::2] == ["a", "4.00", "5.50"]
    assert phases_table(groups_of(row("b", [0.3])), {(group.data, group.row): "r" for group in groups}) is None
