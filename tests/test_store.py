"""Records are written whole, read back equal, and named by what made them."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import built

from qinn_bench import locks
from qinn_bench.records import store
from qinn_bench.values import Estimate, Refused
from qinn_bench.writing import write_whole


def test_round_trip(tmp_path):
    made = built(metrics={"nll": Estimate(value=1.5, error=0.1, n=3, unit="nat", better="lower")})
    store.save(tmp_path, made, {"samples": np.arange(6.0).reshape(3, 2)})
    assert store.load(tmp_path, "s", "k") == made
    assert np.array_equal(store.load_arrays(tmp_path, made)["samples"], np.arange(6.0).reshape(3, 2))
    assert store.load(tmp_path, "s", "other") is None


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file.json"
    write_whole(path, lambda file: file.write(b"old"))

    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_files_have_the_permissions_that_the_user_gives(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "a", lambda file: file.write(b"new"))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_write_that_is_going_on_is_no_record(tmp_path):
    store.save(tmp_path, built(), {})
    path = store.record_path(tmp_path, "s", "other")

    def half(file):
        file.write(b'{"schema_')
        file.flush()
        assert [one.key for one in store.load_all(tmp_path, "s")] == ["k"]

    write_whole(path, half)


def test_a_broken_record_is_refused_in_one_sentence(tmp_path):
    path = store.record_path(tmp_path, "s", "k")
    path.parent.mkdir(parents=True)
    path.write_text('{"key": "k"')
    with pytest.raises(Refused, match="is not a record"):
        store.load(tmp_path, "s", "k")


@pytest.mark.parametrize("name", ["../s/k", "s/../k", "s/k/x", "S/k", "s/.k", "s/" + "k" * 101, "s/", "s/k\n"])
def test_a_record_lies_where_its_study_and_key_say_and_nowhere_else(tmp_path, name):
    study, _, key = name.partition("/") if not name.startswith("..") else ("../s", "", "k")
    with pytest.raises(Refused, match="names no record"):
        store.record_path(tmp_path, study, key)
    with pytest.raises(ValueError, match="String should"):
        built(study=study, key=key)


@pytest.mark.parametrize("change", [{"study": "other"}, {"key": "other"}])
def test_a_record_of_another_path_is_refused(tmp_path, change):
    store.save(tmp_path, built(), {})
    path = store.record_path(tmp_path, "s", "k")
    path.write_text(built(**change).model_dump_json())
    with pytest.raises(Refused, match="it holds the record"):
        store.load(tmp_path, "s", "k")
    assert store.load_all(tmp_path, "s") == [] and len(store.left_out(tmp_path, "s")) == 1


def test_no_failure_replaces_what_is_finished_or_cannot_be_read(tmp_path):
    assert store.save(tmp_path, built(status="crashed"), {})
    assert store.save(tmp_path, built(reason="good"), {"x": np.ones(2)})
    assert not store.save(tmp_path, built(status="timeout"), {})
    assert store.load(tmp_path, "s", "k").reason == "good" and "x" in store.load_arrays(tmp_path, built())
    path = store.record_path(tmp_path, "s", "k")
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 7'))
    assert not store.save(tmp_path, built(status="timeout"), {})
    assert store.save(tmp_path, built(), {})


def test_neither_file_changes_unless_both_can_be_written(tmp_path, monkeypatch):
    store.save(tmp_path, built(reason="old"), {"x": np.zeros(2)})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    monkeypatch.setattr(type(built()), "model_dump_json", lambda *_, **__: "\udc80")
    with pytest.raises(UnicodeEncodeError):
        store.save(tmp_path, built(reason="new"), {"x": np.ones(2)})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_leftovers_of_killed_processes_are_swept_and_what_is_in_use_is_not(tmp_path):
    store.save(tmp_path, built(), {})
    folder = store.record_path(tmp_path, "s", "k").parent
    for name in (".0123.part", ".k.lock", ".k.json.0123.part", "k.log"):
        (folder / name).touch()
    used, lock = folder / ".other.lock", locks.take(folder / ".other.lock")

    def write(file):
        file.write(b"{}")
        file.flush()
        store.sweep(tmp_path, "s")
        assert len(list(folder.glob(".*.part"))) == 1

    write_whole(folder / "new.json", write)
    assert sorted(path.name for path in folder.iterdir()) == [used.name, "k.json", "k.npz", "new.json"]
    lock.release()
    assert not used.exists()


def test_a_lock_is_held_once_and_ends_with_its_process(tmp_path):
    path = tmp_path / ".k.lock"
    first = locks.take(path)
    assert locks.take(path) is None and f"process {os.getpid()}" in locks.holder(path)
    first.release()
    code = "import os, pathlib, sys, qinn_bench.locks as l; l.take(pathlib.Path(sys.argv[1])); os._exit(1)"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert path.exists()
    again = locks.take(path)
    assert again
    again.release()


@pytest.mark.parametrize("damage", [b"", b"PK", b"\x00" * 100])
def test_damaged_arrays_are_refused_in_one_sentence(tmp_path, damage):
    store.save(tmp_path, built(), {"x": np.ones(2)})
    path = store.record_path(tmp_path, "s", "k").with_suffix(".npz")
    path.write_bytes(damage)
    with pytest.raises(Refused, match="is damaged"):
        store.load_arrays(tmp_path, built())
    path.unlink()
    with pytest.raises(Refused, match="is missing"):
        store.load_arrays(tmp_path, built())


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_no_damage_of_arrays_is_a_traceback(tmp_path_factory, rubbish, at):
    folder = tmp_path_factory.mktemp("damaged")
    store.save(folder, built(), {"x": np.arange(50.0), "y": np.ones(3)})
    path = store.record_path(folder, "s", "k").with_suffix(".npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: at % len(whole)] + rubbish + whole[at % len(whole) + len(rubbish) :])
    with contextlib.suppress(Refused):
        store.load_arrays(folder, built())


def test_arrays_hold_no_pickles(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        store.save(tmp_path, built(), {"bad": np.array([{}], dtype=object)})
    assert store.load(tmp_path, "s", "k") is None
