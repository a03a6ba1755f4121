"""Records that earlier versions wrote are read: what was text then stands in its field, and keys do not change."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rows import record

from qinn_bench.records import keys, older, published
from qinn_bench.values import Flag, Match, Record

PUBLISHED = sorted((Path(__file__).parents[1] / "results" / "published").glob("*.jsonl.gz"))
PLAIN = json.loads(record("a", 0, "swd", 0.1).model_dump_json(exclude={"tolerance"}))


def read(**fields) -> Record:
    return older.record_of(json.dumps(PLAIN | fields))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_every_published_record_is_read_with_its_facts_in_fields(path):
    study = path.name.partition(".")[0]
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    texts = {one["key"]: one for one in map(json.loads, lines)}
    for one in published.read(path, study):
        text = texts[one.key]
        assert [str(flag) for flag in one.flags] == [
            flag if isinstance(flag, str) else f"{flag['kind']}: {flag['said']}" for flag in text["flags"]
        ]
        if one.status == "skipped" and "% on" in one.reason:
            assert one.tolerance and Match(tolerance=one.tolerance).allowed in one.reason
        assert keys.belongs(one)
        assert older.record_of(one.model_dump_json()) == one


@given(st.sampled_from(["better-than-truth", "memoriser", "leak", "idle-circuit"]), st.text())
def test_a_flag_that_was_text_is_kind_and_sentence(kind, said):
    assert read(flags=[f"{kind}: {said}"]).flags == (Flag(kind=kind, said=said),)


@given(st.integers(1, 999))
def test_a_tolerance_that_was_text_is_a_number(tenths):
    match = Match(tolerance=tenths / 1000)
    reason = f"no rung of 'qinn' has 500 parameters {match.allowed} on zjets; the nearest is qinn with 30"
    found = read(status="skipped", reason=reason)
    assert found.tolerance == pytest.approx(match.tolerance)
    assert read(status="crashed", reason=reason).tolerance is None
    assert read(status="skipped", reason="it cannot be built for zjets").tolerance is None


@pytest.mark.parametrize(
    "flags", [["odd: x"], [3], "leak: x", ["leak: x", {"kind": "leak", "said": "y"}], {"leak": "x"}]
)
def test_what_was_never_a_flag_is_refused(flags):
    with pytest.raises(ValidationError, match="flags"):
        read(flags=flags)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", '{"flags": ["leak: x"]}', "\x00", '{"a": NaN}'])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValidationError):
        older.record_of(text)
