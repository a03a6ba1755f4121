"""The box above a study's table: the figures that it tells, in every form, and what it tells without data sets."""

import json

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.report.forms import FORMS
from qinn_bench.report.html_table import html
from qinn_bench.report.study_table import table
from qinn_bench.report.table_parts import BOX
from qinn_bench.report.trained_on import trained_on
from qinn_bench.values import Budget, Training
from tests.rows import row

USE = registry.spell_out("data", registry.parse_use("moons[events=400]"))
DATA = registry.make("data", USE)


def records(name="a", steps=(30,) * 5, budget=None, **more):
    budget = budget or Budget(steps=30, batch=50)
    found = row(name, np.arange(5.0).tolist(), data=USE, budget=budget, provenance={"data_hash": DATA.content}, **more)
    trainings = [Training(steps=n, best_step=n, best_loss=0.0, stopped="") for n in steps]
    return [one.model_copy(update={"training": how}) for one, how in zip(found, trainings, strict=True)]


def test_it_tells_rows_steps_and_epochs():
    # 150 training rows are three batches of 50, so that 30 steps are 10 epochs.
    assert trained_on(records(), [(USE, DATA)]) == (
        "moons: 150 training, 50 validation and 200 test rows; 30 steps of 50 rows, 10 epochs.",
        "Settings tried: 1 for each family, as nothing was tuned.",
    )


def test_what_differs_between_rows_is_told_from_least_to_most():
    more = records("b", steps=(6, 12, 30, 30, 30), budget=Budget(steps=30, batch=75))
    told = trained_on([*records(), *more], [(USE, DATA)], {"b": {8, 5}})
    assert told[0].endswith("; 6 to 30 steps of 50 to 75 rows, 3 to 15 epochs.")
    assert told[1] == "Settings tried: a not known, b 5 to 8."
    assert trained_on(records(), [(USE, DATA)], {"a": {8}})[1] == "Settings tried: 8 for each family."
    assert trained_on(records(), [(USE, DATA)], {})[1].endswith("the records of its trials are not here.")


def test_rows_of_another_version_and_of_few_training_events_are_told_apart():
    few = registry.make("data", registry.parse_use("moons[events=400,train_events=60]"))
    assert trained_on(records(), [(USE, few)])[0].startswith("moons: its rows are not those of this version; 30 steps")
    assert trained_on(records(), [])[0] == "moons: its rows are not those of this version; 30 steps of 50 rows."
    assert trained_on([], [(USE, DATA)]) == ()


def test_the_selection_of_events_is_told():
    use = registry.spell_out("data", registry.parse_use("zjets[max_events=400]"))
    data = registry.make("data", use)
    told = trained_on(row("a", [1.0], data=use, provenance={"data_hash": data.content}), [(use, data)])
    assert told[0].startswith("zjets: cuts lhc; quality fast; 150 training, 50 validation and 200 test rows; ")


def test_floors_train_nothing():
    told = trained_on(records(role="floor"), [(USE, DATA)])
    assert told[0] == "moons: 150 training, 50 validation and 200 test rows."


@pytest.mark.parametrize("form", ["text", "md", "latex", "html"])
def test_every_form_shows_it_with_its_own_marks_escaped(form):
    made = table(records())
    plain, boxed = (
        html(one) if form == "html" else FORMS[form](one)
        for one in (made, type(made)(made.title, made.header, made.rows, made.footnotes, ("a_b: <10> & 50 %.",)))
    )
    escaped = {"text": "a_b: <10> & 50 %.", "md": r"a\_b: \<10> \& 50 %.", "html": "a_b: &lt;10&gt; &amp; 50 %."}
    assert BOX in boxed and escaped.get(form, r"a\_b: $<$10$>$ \& 50 \%.") in boxed
    assert BOX not in plain


def test_json_has_it_and_csv_has_rows_only():
    made = table(records())
    boxed = type(made)(made.title, made.header, made.rows, made.footnotes, ("of that",))
    assert json.loads(FORMS["json"](boxed))["box"] == ["of that"] and "box" not in json.loads(FORMS["json"](made))
    assert FORMS["csv"](boxed) == FORMS["csv"](made)
