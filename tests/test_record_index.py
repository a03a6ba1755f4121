"""Many records load from one file, which is never believed over them and can be thrown away."""

from __future__ import annotations

import os
import random
import time

import pytest
from rows import record

from qinn_bench.records import record_index, store
from qinn_bench.study import campaign
from qinn_bench.study.order import Order

N = 12


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A folder of records, of so few an index is kept here."""
    monkeypatch.setattr(record_index, "FEWEST", 5)
    for seed in range(N):
        store.save(tmp_path, one(seed), None)
    age(tmp_path)
    return tmp_path


def one(seed, swd=0.5):
    return record("a", seed, "swd", swd + seed)


def age(folder):
    """Let the records be older than the clock ticks."""
    for path in (folder / "records" / "toy").iterdir():
        os.utime(path, (time.time() - 60, time.time() - 60 + random.random()))


def read_anew(folder, monkeypatch):
    """The keys of the records that were read themselves, and all records."""
    asked, look = [], store.look
    with monkeypatch.context() as patch:
        patch.setattr(store, "look", lambda *place: asked.append(place[-1]) or look(*place))
        found, odd = store.look_at_all(folder, "toy")
    return asked, found, odd


def test_records_come_from_the_index_and_are_equal(many, monkeypatch):
    asked, found, _ = read_anew(many, monkeypatch)
    assert len(asked) == N and record_index.index_path(many, "toy").exists()
    again, same, _ = read_anew(many, monkeypatch)
    assert again == [] and same == found == [store.look(many, "toy", r.key) for r in found]
    assert store.load_all(many, "toy") == found
    record_index.index_path(many, "toy").unlink()
    assert len(read_anew(many, monkeypatch)[0]) == N


def test_what_was_changed_added_or_removed_since_is_seen(many, monkeypatch):
    store.look_at_all(many, "toy")
    new = one(3, swd=0.7)
    store.save(many, new, None)
    store.save(many, one(N), None)
    gone = store.record_path(many, "toy", one(4).key)
    gone.unlink()
    store.record_path(many, "toy", one(5).key).write_text("{")
    asked, found, odd = read_anew(many, monkeypatch)
    assert sorted(asked) == sorted([new.key, one(N).key, one(5).key])
    by_key = {r.key: r for r in found}
    assert by_key[new.key] == new and one(N).key in by_key and gone.stem not in by_key
    assert [o.path.stem for o in odd] == [one(5).key]


def test_a_file_of_this_moment_is_read_each_time(many, monkeypatch):
    path = store.record_path(many, "toy", one(0).key)
    for moment in (time.time(), time.time() + 1e6):
        os.utime(path, (moment, moment))
        record_index.index_path(many, "toy").unlink(missing_ok=True)
        store.look_at_all(many, "toy")
        assert read_anew(many, monkeypatch)[0] == [one(0).key], "a clock that jumps is not believed either"


@pytest.mark.parametrize("damage", ["cut", "flip", "other code", "rubbish", "folder"])
def test_a_damaged_index_costs_time_and_nothing_else(many, monkeypatch, damage):
    _, found, _ = read_anew(many, monkeypatch)
    path = record_index.index_path(many, "toy")
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        path.write_bytes(content.replace(b'"value":2.5', b'"value":9.5'))
    elif damage == "other code":
        path.write_bytes(content.replace(b"index ", b"index 0", 1))
    elif damage == "rubbish":
        path.write_bytes(content + os.urandom(1000) + b"\n" + b"a b c d e f\n" * 3)
    else:
        path.unlink()
        path.mkdir()
    assert content != (path.read_bytes() if path.is_file() else b"")
    _, again, _ = read_anew(many, monkeypatch)
    assert again == found


def test_a_folder_of_others_gets_no_index(many):
    store.look_at_all(many, "toy", keep=False)
    assert not (many / "index").exists()


def test_cells_are_looked_up_all_at_once(many, monkeypatch):
    store.look_at_all(many, "toy")
    orders = [
        Order(cell=r.cell, key=r.key, study="toy", row="a", results=many, metrics=(), data_hash="", inputs={})
        for r in [one(seed) for seed in range(N + 2)]
    ]
    monkeypatch.setattr(store, "look", None)
    assert len(campaign.finished(orders)) == N and not campaign.unreadable(orders)
