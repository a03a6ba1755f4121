"""Values are frozen and strict, and what comes from outside is refused in one sentence."""

import pytest

from qinn_bench import registry
from qinn_bench.reading import parse
from qinn_bench.seeds import numpy_rng, seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Budget, Estimate, Refused, Study, Use

STUDY = {
    "name": "s",
    "data": ["moons"],
    "models": [{"model": "gaussian"}],
    "budgets": {"short": {"steps": 10}},
}


def refusal(content):
    with pytest.raises(Refused) as caught:
        parse(Study, content, "study.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_study_is_read_with_its_defaults():
    study = parse(Study, STUDY, "study.toml")
    assert study.budgets["short"] == Budget(steps=10)
    assert study.seeds == 3


def test_an_unknown_key_is_refused_and_the_known_ones_are_named():
    text = refusal(STUDY | {"modles": []})
    assert "study.toml" in text and "'modles'" in text and "models" in text


def test_an_unknown_key_deep_inside_names_the_keys_of_that_place():
    text = refusal(STUDY | {"budgets": {"short": {"step": 10}}})
    assert "'budgets.short.step'" in text and "learning_rate" in text and "models" not in text.split("there are")[1]
    text = refusal(STUDY | {"models": [{"model": "gaussian", "knob": {}}]})
    assert "'models.0.knob'" in text and "knobs" in text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": "three"}, "seeds"),
        ({"data": []}, "data"),
        ({"devices": ["tpu"]}, "devices"),
        ({"name": "../evil"}, "name"),
        ({"budgets": {"short": {"learning_rate": -1.0}}}, "learning_rate"),
        ({"budgets": {"short": {"steps": 1.5}}}, "steps"),
    ],
)
def test_a_bad_value_is_refused_by_place(change, place):
    assert place in refusal(STUDY | change)


def test_a_missing_key_is_named():
    assert "'data'" in refusal({key: value for key, value in STUDY.items() if key != "data"})


def test_values_are_frozen_and_finite():
    estimate = Estimate(value=1.0)
    with pytest.raises(ValueError, match="frozen"):
        estimate.value = 2.0
    with pytest.raises(ValueError, match="finite"):
        Estimate(value=float("nan"))


def test_seeds_depend_on_names_and_their_borders():
    assert seed_of("a", "b") == seed_of("a", "b") != seed_of("ab")
    assert seed_of("data", 1) != seed_of("data", 2)
    assert numpy_rng("x").random() == numpy_rng("x").random()
    assert torch_rng("x").initial_seed() == seed_of("x")


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("moons", Use(name="moons")),
        ("moons[events=10]", Use(name="moons", knobs={"events": 10})),
        (" a [x = 1.5, y=true, z=text] ", Use(name="a", knobs={"x": 1.5, "y": True, "z": "text"})),
    ],
)
def test_uses_are_read(text, use):
    assert registry.parse_use(text) == use


@pytest.mark.parametrize("text", ["", "a[", "a[b]", "a b", "a[=1]"])
def test_malformed_uses_are_refused(text):
    with pytest.raises(Refused):
        registry.parse_use(text)


def test_a_wrong_name_lists_what_exists():
    with pytest.raises(Refused, match=r"no model is called 'qnn'; there are: .*qinn"):
        registry.find("model", "qnn")


def test_defaults_are_spelled_out_and_wrong_knobs_refused():
    spelled = registry.spell_out("model", Use(name="spline_inn", knobs={"blocks": 2, "bound": 4}))
    assert spelled.knobs["blocks"] == 2 and spelled.knobs["bound"] == 4.0 and "bins" in spelled.knobs
    with pytest.raises(Refused, match=r"has no knob 'block'; there are: .*blocks"):
        registry.spell_out("model", Use(name="spline_inn", knobs={"block": 2}))
    with pytest.raises(Refused, match="expected int"):
        registry.spell_out("model", Use(name="spline_inn", knobs={"blocks": 2.5}))


def test_how_a_use_is_spelled_is_remembered_by_no_copy():
    use = Use(name="a", knobs={"b": 1})
    assert str(use) == str(use) == "a[b=1]" and use == Use(name="a", knobs={"b": 1})
    assert str(use.model_copy(update={"knobs": {"b": 2}})) == "a[b=2]"
    assert vars(use).keys() == {"name", "knobs"} and Use.model_validate_json(use.model_dump_json()) == use
