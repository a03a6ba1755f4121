"""What a file states of itself: typed, the same from its text as from its import, and refused in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import reference_models
from qinn_bench import catalogue, file_text, registry
from qinn_bench.about import About
from qinn_bench.values import Refused, Use

HEAD = "from qinn_bench.about import About\n"
BUILD = "\ndef build(dim, *, bins: int = 3): ...\n"
STATED = st.fixed_dictionaries(
    {},
    optional={
        "citation": st.text(max_size=20),
        "role": st.sampled_from(["model", "control", "floor", "ceiling"]),
        "depth": st.just("bins"),
        "knobs": st.just({"bins": (1, 2, 3)}),
        "later": st.dictionaries(st.text("abc", min_size=1), st.booleans() | st.integers() | st.text(max_size=5)),
        "needs_density": st.booleans(),
        "rows": st.lists(st.sampled_from(["flat", "image", "voxels"]), min_size=1, unique=True).map(tuple),
        "supervised": st.booleans(),
    },
)


@settings(deadline=None)
@given(stated=STATED)
def test_the_text_says_what_the_import_says(stated, tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "own.py"
    words = ", ".join(f"{name}={value!r}" for name, value in stated.items())
    file.write_text(f"{HEAD}ABOUT = About({words}){BUILD}", encoding="utf8")
    read, about = file_text.made("model", file), About(**stated)
    assert read == file_text.Made.of("", {"bins": 3}, frozenset({"dim", "bins"}), about)


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Write a model that stands beside those of the project for one test."""
    monkeypatch.setattr(reference_models, "__path__", [*reference_models.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_load", registry._load.__wrapped__)

    def write(text: str) -> str:
        Path(tmp_path / "planted.py").write_text(text)
        sys.modules.pop("reference_models.planted", None)
        return "planted"

    yield write
    sys.modules.pop("reference_models.planted", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + "ABOUT = About(roel='floor')",
            "its ABOUT: no field is called 'roel'; there are: citation, depth, deviations, kn",
        ),
        (HEAD + "ABOUT = About(role='king')", "its ABOUT: 'role' is \"king\", but: Input should be 'model', 'control'"),
        (HEAD + "ABOUT = About(rows=('flatt',))", "its ABOUT: 'rows.0' is \"flatt\", but: Input should be 'flat'"),
        (HEAD + "ABOUT = About(knobs={'bins': 3})", "its ABOUT: 'knobs.bins' is 3, but: Input should be a valid tuple"),
        (
            HEAD + "ABOUT = About(supervised='no')",
            "its ABOUT: 'supervised' is \"no\", but: Input should be",
        ),
        ("ABOUT = {'role': 'floor'}", "its ABOUT is of type dict, expected About(...)"),
        ("ROLE = 'floor'\nLATER = {}", "it states LATER, ROLE, expected ABOUT = About(later=..., role=...)"),
    ],
)
def test_what_is_stated_wrongly_is_refused_in_a_sentence(text, said, named):
    name = named(text + BUILD)
    with pytest.raises(Refused, match="is broken: it") as refusal:
        registry.spell_out("model", Use(name=name))
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
    if "knobs=" not in text:
        assert str(refusal.value) == catalogue.listed("model")[name]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "ROLE_OF_MINE = 'flo' + 'or'\nABOUT = About(role=ROLE_OF_MINE)",
        HEAD + "if True:\n    ABOUT = About(role='floor')",
        HEAD + "ABOUT = About(**{'role': 'floor'})",
        "import qinn_bench.about\nABOUT = qinn_bench.about.About(role='floor')",
        HEAD + "ROLE_HERE = 'floor'\nABOUT: About = About(role=ROLE_HERE)",
    ],
)
def test_a_role_is_known_however_it_is_stated(text, named):
    name = named(text + BUILD)
    assert catalogue.made("model", name).role == registry.role(name) == "floor"
    assert catalogue.roles()[name] == "floor"


def test_a_file_that_states_nothing_is_a_model_with_all_defaults(named):
    name = named("DEPTH = 3" + BUILD)
    assert registry.about("model", name) == About() and catalogue.made("model", name).rows == ("flat",)


def test_what_a_model_is_cannot_be_changed():
    with pytest.raises(ValidationError):
        About().role = "floor"  # type: ignore[misc]
