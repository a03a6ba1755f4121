"""Cells that are told without the matcher are those that a run would find, whatever was changed in the study file."""

from __future__ import annotations

import json

import pytest

from qinn_bench import registry
from qinn_bench.capacity import matching
from qinn_bench.records import measures, store
from qinn_bench.study import campaign, grid, matched, planning, progress, run_cell, study_files
from qinn_bench.values import Estimate, Record, Refused

DATA = "moons[events=400]"


def text(rows, data=(DATA,), steps=10, sizes=(), seeds=2, **match):
    """A study whose models take no time to match."""
    plain = {"name": "toy", "data": list(data), "seeds": seeds, "samples": 100, "metrics": ["swd"]}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    lines += [f"sizes = {list(sizes)}"] * bool(sizes) + ["[budgets.short]", f"steps = {steps}"]
    lines += ["[match]", *(f"{key} = {json.dumps(value)}" for key, value in match.items())] if match else []
    for row in rows:
        lines += ["[[models]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines)


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


def row(label="A", **more):
    return {"model": "affine_inn", "label": label, **more}


@pytest.fixture
def folder(tmp_path):
    """Runs studies without training anything, and compares what is told of one with what a run would find."""
    return Folder(tmp_path)


class Folder:
    def __init__(self, path):
        self.path, self.results = path, path / "results"

    def study(self, content):
        (self.path / "toy.toml").write_text(content)
        return study_files.load_study(self.path / "toy.toml")

    def run(self, content, keep=True):
        study = self.study(content)
        orders = planning.plan(study, self.results)
        if keep:
            matched.keep_plan(self.results, study, orders)
        for order in campaign.pending(orders):
            if order.skip:
                run_cell.save(order, {}, status="skipped", reason=order.skip)
                continue
            count = matching._count(order.cell.model, registry.make("data", order.cell.data))
            of = {"measured": measures.fingerprints(order.metrics), "parameters": count}
            run_cell.save(order, {}, metrics={"swd": Estimate(value=1.0)}, **of)
        return orders

    def told(self, content):
        """The key of the record of each cell that is told to be current, and how many are to be run."""
        study = self.study(content)
        drawn, (known, odd) = grid.draw(study), store.look_at_all(self.results, "toy")
        found = progress.standings(grid.slots(study, drawn, matched.read(self.results, "toy")), drawn, known)
        shown = {(one.slot.row, one.slot.cell.seed): one.current.key for one in found if one.current}
        return shown, progress.to_run(study, drawn, found, odd)

    def true(self, content):
        """The same by the plan."""
        orders = planning.plan(self.study(content), self.results)
        looked = [(order, store.look(self.results, order.study, order.key)) for order in orders]
        done = [order for order, found in looked if isinstance(found, Record)]
        return {(one.row, one.cell.seed): one.key for one in done}, len(campaign.pending(orders))


SHALLOW, DEEP = row("A", shape="shallow"), row("B", shape="deep")
TWO, SWAPPED = [SHALLOW, DEEP], [SHALLOW | {"label": "B"}, DEEP | {"label": "A"}]
NEAR = {"parameters": 300, "tolerance": 0.05}
RUNGS = [{"blocks": 2, "hidden": 4}, {"blocks": 4, "hidden": 8}, {"blocks": 4, "hidden": 18}]
LADDER = row("L", ladder=RUNGS)
NESTED = [row("A", shape="shallow"), row("B", shape="shallow", knobs={"blocks": 3})]
PINNED = row("A", knobs={"blocks": 1, "hidden": 15, "hidden_layers": 2})
CHANGES = {
    "labels of shapes": (text(TWO, **NEAR), text(SWAPPED, **NEAR)),
    "labels of shapes within shapes": (
        text(NESTED, **NEAR),
        text([NESTED[0] | {"label": "B"}, NESTED[1] | {"label": "A"}], **NEAR),
    ),
    "size": (text(TWO, **NEAR), text(TWO, parameters=400, tolerance=0.05)),
    "tolerance": (text(TWO, **NEAR), text(TWO, parameters=300, tolerance=0.001)),
    "shape to its knobs": (text([SHALLOW], **NEAR), text([PINNED], **NEAR)),
    "knobs to a shape": (text([PINNED], **NEAR), text([SHALLOW], **NEAR)),
    "knobs to another shape": (text([PINNED], **NEAR), text([DEEP | {"label": "A"}], **NEAR)),
    "sizes": (text([SHALLOW], sizes=[100, 300]), text([SHALLOW], sizes=[101, 300])),
    "a size that no shape met": (
        text([SHALLOW], sizes=[5, 300], tolerance=0.05),
        text([SHALLOW], sizes=[5, 300], tolerance=0.9),
    ),
    "a nearer rung": (
        text([LADDER], sizes=[50, 250], tolerance=0.5),
        text([row("L", ladder=[*RUNGS, {"blocks": 4, "hidden": 14}])], sizes=[50, 250], tolerance=0.5),
    ),
    "sizes of a ladder": (
        text([LADDER], sizes=[50, 300], tolerance=0.5),
        text([LADDER], sizes=[51, 310], tolerance=0.5),
    ),
    "a ladder to its rung": (text([LADDER], sizes=[50, 300], tolerance=0.5), text([row("L", knobs=RUNGS[2])])),
    "the budget": (text(TWO, **NEAR), text(TWO, steps=11, **NEAR)),
    "fewer seeds": (text(TWO, **NEAR), text(TWO, seeds=1, **NEAR)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_after_a_run_the_cells_that_are_told_are_those_of_the_plan(folder, what):
    before, after = CHANGES[what]
    for content in (before, after, before):
        folder.run(content)
        assert folder.told(content) == folder.true(content)
        assert folder.told(content)[1] == 0
    assert folder.told(after) == folder.true(after)


@pytest.mark.parametrize("what", ["size", "tolerance", "knobs to another shape", "the budget", "fewer seeds"])
@pytest.mark.parametrize("keep", [True, False])
def test_records_of_another_plan_are_not_called_current_before_the_next_run(folder, what, keep):
    before, after = CHANGES[what]
    folder.run(before, keep)
    assert folder.told(after) == folder.true(after)


@pytest.mark.parametrize("what", ["labels of shapes", "shape to its knobs", "a ladder to its rung", "fewer seeds"])
def test_records_without_answers_of_the_matcher_are_found(folder, what):
    before, after = CHANGES[what]
    folder.run(before, keep=False)
    assert not (folder.results / "matched").exists()
    assert folder.told(after) == folder.true(after)


def test_a_size_that_no_shape_met_is_open_again_with_another_tolerance(folder):
    before, after = CHANGES["a size that no shape met"]
    folder.run(before, keep=False)
    assert folder.told(before) == folder.true(before)
    shown, to_run = folder.told(after)
    assert to_run == 2 and {name for name, _ in shown} == {"A · 300"}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"a": {"model": 3}}', b"{" * 5000])
def test_answers_that_cannot_be_read_are_not_needed(folder, content):
    folder.run(text(TWO, **NEAR))
    matched.path_of(folder.results, "toy").write_bytes(content)
    assert folder.told(text(TWO, **NEAR)) == folder.true(text(TWO, **NEAR))
    folder.run(text(TWO, **NEAR))
    assert len(matched.read(folder.results, "toy")) == 2


def test_a_torn_record_of_a_matched_row_is_left_alone_by_both(folder):
    orders = folder.run(text(TWO, **NEAR))
    store.record_path(folder.results, "toy", orders[0].key).write_text("{")
    assert folder.told(text(TWO, **NEAR))[1] == 0 == len(campaign.pending(orders))


@pytest.mark.parametrize("part", ["seed", "model", "key"])
def test_a_record_of_another_cell_than_its_name_says_is_named_and_left_out(folder, part):
    order = folder.run(text([PINNED]))[0]
    path = store.record_path(folder.results, "toy", order.key)
    edited = json.loads(path.read_text())
    if part == "key":
        edited["key"], path = "elsewhere", path.with_stem("elsewhere")
    else:
        edited["cell"][part] = 7 if part == "seed" else edited["cell"]["model"] | {"name": "spline_inn"}
    path.write_text(json.dumps(edited))
    (odd,) = store.left_out(folder.results, "toy")
    assert "its settings are not those that its name was made of" in odd and path.name in odd
    assert folder.told(text([PINNED])) == folder.true(text([PINNED]))


def test_of_several_old_records_the_newest_is_shown(folder):
    made = {}
    for steps, when in ((10, "2026-01-02"), (11, "2026-01-03"), (12, "2026-01-01")):
        for order in folder.run(text([PINNED], steps=steps, seeds=8)):
            record = store.load(folder.results, "toy", order.key)
            finished = {"provenance": {"finished_utc": when}}
            store.save(folder.results, record.model_copy(update=finished))
            made[order.key] = steps
    study = folder.study(text([PINNED], steps=13, seeds=8))
    drawn, (known, _) = grid.draw(study), store.look_at_all(folder.results, "toy")
    found = progress.standings(grid.slots(study, drawn), drawn, known)
    assert [made[one.record.key] for one in found] == [11] * 8 and not any(one.current for one in found)


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        ("data", {"data": ["moons", "moons[events=40000]"]}),
        ("backends", {"backends": ["auto", "auto"]}),
        ("devices", {"devices": ["cpu", "cpu"]}),
    ],
)
def test_a_study_that_asks_for_a_cell_twice_is_refused(folder, what, lines):
    head = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    content = text([PINNED]).replace('data = ["moons[events=400]"]\n', "") if what == "data" else text([PINNED])
    with pytest.raises(Refused, match=f"names {what} .* which are the same"):
        folder.study(head + content)
