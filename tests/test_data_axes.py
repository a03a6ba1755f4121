"""Coordinates and numbers of training events as axes of a study: what is the same, what is refused, how it is shown."""

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.data.resplit import split_of
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.records.known import on_data
from qinn_bench.study import grid, planning, tuning
from qinn_bench.study.selection import Filters
from qinn_bench.study.study_files import study_of
from qinn_bench.values import Refused, Tuning, Use
from tests.data_at_hand import AT_HAND, small
from tests.rows import record

PLAIN = {"name": "axes", "data": ["toy_zj[events=800]"], "models": [{"model": "affine_inn"}], "budgets": {"short": {}}}


def use(text):
    return registry.spell_out("data", registry.parse_use(text))


@pytest.mark.parametrize("name", AT_HAND)
def test_every_data_set_can_be_cut_to_fewer_training_rows_and_nothing_else_changes(name):
    whole = registry.make("data", small(name))
    few, fewer = (registry.make("data", small(name, train_events=n)) for n in (60, 40))
    assert np.array_equal(few.train, whole.train[:60]) and np.array_equal(fewer.train, few.train[:40])
    for cut in (few, fewer):
        assert np.array_equal(cut.valid, whole.valid) and np.array_equal(cut.test, whole.test)
        for of_cut, of_whole in zip(cut.transform.forward(cut.test), whole.transform.forward(whole.test), strict=True):
            assert np.array_equal(of_cut, of_whole, equal_nan=True)
        for parts in (cut.labels, cut.conditions):
            assert parts is None or len(parts.train) == len(cut.train)
    assert len({whole.content, few.content, fewer.content}) == 3
    assert registry.make("data", small(name, train_events=0)).content == whole.content
    assert use(f"{name}[train_events=0]") == use(name)


def test_a_new_split_is_made_before_training_rows_are_cut():
    few, more = (split_of(use(f"moons[events=800,train_events={n}]"), 3) for n in (50, 200))
    whole = split_of(use("moons[events=800]"), 3)
    assert np.array_equal(few.test, whole.test) and np.array_equal(more.valid, whole.valid)
    assert np.array_equal(few.train, whole.train[:50]) and np.array_equal(few.train, more.train[:50])
    assert not np.array_equal(whole.test, registry.make("data", use("moons[events=800]")).test)


def test_each_data_set_is_taken_in_each_of_the_coordinates_with_each_number_of_events():
    study = study_of(PLAIN | {"coordinates": ["momenta", "mass"], "events": [100, 300]})
    drawn = grid.draw(study)
    assert [(one.use.knobs["coordinates"], len(one.data.train)) for one in drawn] == [
        *(("momenta", n) for n in (100, 300)),
        *(("mass", n) for n in (100, 300)),
    ]
    assert all(np.array_equal(one.data.test, drawn[0].data.test) for one in drawn)
    assert {str(slot.cell.data) for slot in grid.slots(study, drawn)} == {str(one.use) for one in drawn}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"data": ["moons"], "coordinates": ["mass"]}, "'moons' has no knob 'coordinates'; data sets that have it:"),
        ({"data": ["zjets", "moons"], "coordinates": ["mass"]}, "'moons' has no knob 'coordinates'"),
        ({"data": ["toy_zj[coordinates=mass]"], "coordinates": ["mass"]}, "states its own coordinates"),
        ({"data": ["moons[train_events=9]"], "events": [9]}, "states its own train_events"),
        ({"coordinates": ["mass", "mass"]}, "which are the same here"),
        ({"coordinates": ["polar"]}, "coordinates 'polar' do not exist; there are: momenta, mass"),
        ({"events": [301]}, "301 training events were asked for; 1 to 300 are there"),
        ({"events": [100, 100]}, "which are the same here"),
        ({"events": [0]}, "'events.0' is 0"),
        ({"events": [-5]}, "'events.0' is -5"),
        ({"data": ["moons[train_events=-5]"]}, "-5 training events were asked for"),
        ({"coordinates": ["momenta", "mass"], "events": list(range(1, 301)), "seeds": 1000}, "cells; at most"),
    ],
)
def test_an_axis_that_a_data_set_has_not_is_refused(asked, said):
    with pytest.raises(Refused) as refusal:
        grid.draw(study_of(PLAIN | asked))
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["zjets", "toy_zj"])
def test_likelihoods_of_physical_rows_are_the_same_in_all_coordinates(name):
    """A density of rows that is taken to features and back keeps its value: both Jacobians are counted."""
    momenta, mass = (registry.make("data", Use(name=name, knobs={"coordinates": one})) for one in ("momenta", "mass"))
    assert np.array_equal(momenta.test, mass.test)
    rows = momenta.test[:50]
    numeric = [numeric_logdet(data.transform, rows) for data in (momenta, mass)]
    for data, slope in zip((momenta, mass), numeric, strict=True):
        assert np.allclose(data.transform.forward(rows)[1], slope, atol=1e-4)


def numeric_logdet(transform, rows):
    columns = []
    for i in range(rows.shape[1]):
        step = np.zeros_like(rows)
        step[:, i] = 1e-5 * np.maximum(1.0, np.abs(rows[:, i]))
        ahead, behind = (transform.forward(rows + sign * step)[0] for sign in (1, -1))
        columns.append((ahead - behind) / (2 * step[:, i : i + 1]))
    return np.linalg.slogdet(np.stack(columns, axis=-1))[1]


def test_a_data_set_is_called_by_what_tells_it_from_the_others():
    texts = ["zjets", "zjets[train_events=100]", "zjets[coordinates=mass]", "moons"]
    records = [record("a", 0, "swd", 1.0, data=use(text)) for text in texts]
    assert list(store.data_names(records).values()) == [
        *("zjets[coordinates=momenta]", "zjets[coordinates=momenta,train_events=100]", "zjets[coordinates=mass]"),
        "moons",
    ]
    assert [on_data(one, "zjets[coordinates=momenta]") for one in records] == [True, True, False, False]
    assert [on_data(one, "zjets[train_events=0]") for one in records] == [True, False, True, False]
    assert [on_data(one, "zjets[train_events=100]") for one in records] == [False, True, False, False]


def test_a_row_is_planned_run_and_tuned_on_the_data_sets_that_it_names_only(tmp_path):
    some = {"model": "spline_inn", "data": ["toy_zj[coordinates=mass]"], "knobs": {"blocks": 2, "hidden": 1, "bins": 2}}
    asked = PLAIN | {"coordinates": ["momenta", "mass"], "models": [*PLAIN["models"], some], "seeds": 1}
    study = study_of(asked | {"tuning": {"trials": 2}})
    on = {"affine_inn": {"momenta", "mass"}, "spline_inn": {"mass"}}
    slots = list(grid.slots(study, grid.draw(study)))
    tuned = [one.trials[0] for one in tuning.tuned_rows(study, tmp_path, Filters(), Limits())]
    planned = planning.plan(study_of(asked), tmp_path)
    for cells in (slots, tuned, planned):
        found = {(one.family, one.cell.data.knobs["coordinates"]) for one in cells}
        assert found == {(model, where) for model, several in on.items() for where in several}


def test_a_row_is_planned_run_and_tuned_under_the_budgets_that_it_names_only(tmp_path):
    rows = [{"model": "affine_inn"}, {"model": "spline_inn", "budgets": ["long"]}]
    study = study_of(PLAIN | {"models": rows, "budgets": {"short": {"steps": 10}, "long": {"steps": 20}}, "seeds": 1})
    tuned = study.model_copy(update={"tuning": Tuning(trials=2)})
    slots = list(grid.slots(study, grid.draw(study)))
    trials = [one.trials[0] for one in tuning.tuned_rows(tuned, tmp_path, Filters(), Limits())]
    for cells in (slots, trials, planning.plan(study, tmp_path)):
        found = {(one.family, one.cell.budget.steps) for one in cells}
        assert found == {("affine_inn", 10), ("affine_inn", 20), ("spline_inn", 20)}


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"data": ["moons"]}, r"row 'affine_inn' is on data 'moons', which 'axes' has not; it has: toy_zj"),
        ({"budgets": ["long"]}, r"row 'affine_inn' has the budget 'long', which 'axes' has not; it has: short"),
    ],
)
def test_a_row_on_a_data_set_or_under_a_budget_that_its_study_has_not_is_refused(limit, said):
    with pytest.raises(Refused, match=said):
        study_of(PLAIN | {"models": [{"model": "affine_inn"} | limit]})
