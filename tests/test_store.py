"""Records are written whole, read back equal, and named by what made them."""

import os

import numpy as np
import pytest

from qinn_bench import store
from qinn_bench.values import Budget, Cell, Estimate, Record, Refused, Use

CELL = Cell(
    model=Use(name="m", knobs={"a": 1}),
    data=Use(name="d"),
    budget=Budget(),
    backend="none",
    device="cpu",
    seed=0,
    samples=10,
    mass_draws=10,
)


def record(**changes):
    base = {"key": "k", "study": "s", "row": "m", "role": "model", "cell": CELL, "status": "ok"}
    return Record(**(base | changes))


def test_round_trip(tmp_path):
    made = record(metrics={"nll": Estimate(value=1.5, error=0.1, n=3, unit="nat", better="lower")})
    store.save(tmp_path, made, {"samples": np.arange(6.0).reshape(3, 2)})
    assert store.load(tmp_path, "s", "k") == made
    assert np.array_equal(store.load_arrays(tmp_path, made)["samples"], np.arange(6.0).reshape(3, 2))
    assert store.load(tmp_path, "s", "other") is None


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file.json"
    store.write_whole(path, lambda file: file.write(b"old"))

    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write_whole(path, interrupted)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_files_have_the_permissions_that_the_user_gives(tmp_path):
    before = os.umask(0o022)
    try:
        store.write_whole(tmp_path / "a", lambda file: file.write(b"new"))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_write_that_is_going_on_is_no_record(tmp_path):
    store.save(tmp_path, record(), {})
    path = store.record_path(tmp_path, "s", "other")

    def half(file):
        file.write(b'{"schema_')
        file.flush()
        assert [one.key for one in store.load_all(tmp_path, "s")] == ["k"]

    store.write_whole(path, half)


def test_a_broken_record_is_refused_in_one_sentence(tmp_path):
    path = store.record_path(tmp_path, "s", "k")
    path.parent.mkdir(parents=True)
    path.write_text('{"key": "k"')
    with pytest.raises(Refused, match="is not a record"):
        store.load(tmp_path, "s", "k")


def test_arrays_hold_no_pickles(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        store.save(tmp_path, record(), {"bad": np.array([{}], dtype=object)})
    assert store.load(tmp_path, "s", "k") is None
