"""Files from outside are of a bounded size, of a known kind and in UTF-8; what this program wrote it can read back."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import tomllib
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import record, row

from qinn_bench import bounds, files, reading, registry, writing
from qinn_bench.cli.main import main
from qinn_bench.performance.counters import golden
from qinn_bench.performance.machine import Machine
from qinn_bench.performance.nightly import anchor, run_files
from qinn_bench.performance.nightly.anchor import Anchor
from qinn_bench.performance.nightly.run_files import RunRow
from qinn_bench.records import published, store
from qinn_bench.sensitivity import licence
from qinn_bench.sensitivity.licence import Licence, Sight
from qinn_bench.study import study_files
from qinn_bench.values import Refused, Use
from qinn_bench.verdicts import claim_file, claim_locks, golden_numbers
from qinn_bench.verdicts.golden_numbers import WatchedStudy

ROOT = Path(__file__).parents[1]
HEAD = 'name = "toy"\ndata = ["moons"]\n[budgets.a]\n[[models]]\nmodel = "truth"\n'
LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ENDS = "\n\r\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
EVERY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(call, *words, **more):
    with pytest.raises(Refused) as found:
        call(*words, **more)
    return str(found.value)


def called(one, label, key):
    return one.model_copy(update={"row": label, "family": label, "key": key})


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_toml_is_read_with_the_mark_of_utf8_and_without(tmp_path, mark):
    path = written(tmp_path / "toy.toml", mark + HEAD.encode())
    assert study_files.load_study(path).name == "toy"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "{b = " * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, r"the limit \(4300 digits\)"),
        ("a." * 5000 + "b = 1", "a key has 64 parts or more"),
        ("[" + "a." * 5000 + "b]", "a key has 64 parts or more"),
        ("a" * (2**20 + 1), "more than 1 MiB"),
        (b'a = "\xff"', "not text in UTF-8"),
        ("a = 'b'\n".encode("utf-16"), "not text in UTF-8"),
        ("a = \0", "not valid TOML"),
        (b"", None),
    ],
)
def test_damaged_toml_is_refused_in_a_sentence(tmp_path, content, why):
    path = written(tmp_path / "a.toml", content)
    if why is None:
        assert reading.read_toml(path, "absent") == {}
    else:
        assert re.search(why, refused(reading.read_toml, path, "absent"))


@pytest.mark.parametrize("digits", [5000, 50_000])
def test_a_number_of_many_hexadecimal_digits_is_refused(tmp_path, digits, capsys):
    odd = written(tmp_path / "b.toml", "name = 0x" + "f" * digits)
    assert main(["capacity", str(odd)]) == 2 and "4300 digits" in capsys.readouterr().err
    path = written(tmp_path / "a.toml", HEAD + "seeds = 0x" + "f" * digits)
    assert "4300 digits" in refused(study_files.load_study, path) or "seeds" in refused(study_files.load_study, path)


@pytest.mark.parametrize("content", ["[" * 100_000, "9" * 5000, "{", b"\xff", "NaN" * 3])
def test_damaged_json_is_refused_in_a_sentence(tmp_path, content):
    assert "a.json" in refused(reading.read_json, written(tmp_path / "a.json", content))
    assert "holds no anchor" in refused(reading.read_value, Anchor, tmp_path / "a.json", "holds no anchor") or (
        "not text" in refused(reading.read_value, Anchor, tmp_path / "a.json", "holds no anchor")
    )


@pytest.mark.parametrize("name", ["pipe", "link", ""])
def test_nothing_is_renamed_over_but_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    before = {path.name: path.lstat().st_mode for path in tmp_path.iterdir()}
    with pytest.raises(OSError):
        writing.write_text(Path(name), "x")
    assert {path.name: path.lstat().st_mode for path in tmp_path.iterdir()} == before


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (
        tmp_path,
        tmp_path / "pipe",
        tmp_path / "loop",
        Path("/dev/zero"),
        tmp_path / "a\0b",
        tmp_path / ("x" * 300),
    ):
        assert refused(files.read_bytes, path, "there is no such thing").startswith("there is no such thing")
    assert "it is a folder" in refused(files.read_bytes, tmp_path)
    assert "below" not in refused(files.read_bytes, written(tmp_path / "f", b"") / "x")


@pytest.mark.parametrize(
    "path",
    [p for folder in ("qinn_bench", "reference_models") for p in sorted((ROOT / folder).rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_files_from_outside_are_opened_in_one_place(path):
    """What reads by itself reads files of the kernel (/proc, control groups), pipes, or sources of this program."""
    own = {
        *("files", "reading", "sources", "keys", "catalogue", "lowering", "checkouts"),
        *("provenance", "forecast", "preflight", "memory_probe", "scan", "kernel", "limits", "locks"),
        *("control_groups", "memory_watch", "record_index", "shell"),
    }
    calls = r"\.read_text\(|\.read_bytes\(|tomllib\.load|json\.load\(|np\.load\(|gzip\.decompress"
    found = re.findall(calls, path.read_text(encoding="utf8"))
    assert not found or path.stem in own, found


def bomb(path, factor):
    """An archive that unpacks to `factor` MiB of zeros, and says so."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("rows.npy", "w") as member:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (factor * 2**20,)}
        )
        member.write(header.getvalue())
        for _ in range(factor):
            member.write(bytes(2**20))
    return path


def test_an_archive_that_unpacks_to_too_much_is_refused_unopened(tmp_path):
    assert "unpacks to more than 4 MiB" in refused(files.read_arrays, bomb(tmp_path / "a.npz", 8), "", 4 * 2**20)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
        archive.writestr("rows.npy", header.getvalue())
    assert "unpacks to more than 2 GiB" in refused(files.read_arrays, tmp_path / "b.npz")
    for name, arrays in (("c.npz", {"a": np.array([{}], dtype=object)}), ("d.npz", {"a": np.arange(3)})):
        np.savez(tmp_path / name, **arrays)
    assert "no whole file of arrays" in refused(files.read_arrays, tmp_path / "c.npz")
    content = (tmp_path / "d.npz").read_bytes()
    for at in range(0, len(content), 7):
        path = written(tmp_path / "e.npz", content[:at])
        assert "no whole file of arrays" in refused(files.read_arrays, path)
    assert (files.read_arrays(tmp_path / "d.npz")["a"] == np.arange(3)).all()


def test_packed_lines_are_bounded_while_they_are_unpacked(tmp_path):
    many = written(tmp_path / "many.gz", gzip.compress(b"x\n" * 2**20))
    assert "holds more than 1 MiB" in refused(lambda: list(files.read_lines(many, most=2**20, packed=True)))
    long = written(tmp_path / "long.gz", gzip.compress(bytes(files.LINE_BYTES + 1)))
    assert "a line of more than 8 MiB" in refused(lambda: list(files.read_lines(long, packed=True)))
    assert "no whole gzip" in refused(lambda: list(files.read_lines(written(tmp_path / "a", b"no gzip"), packed=True)))


def test_memory_is_bounded_whatever_an_archive_says(tmp_path):
    """A packed file of 4 GiB of zeros in a process that may take 200 MiB more."""
    block = gzip.compress(bytes(2**24), 9)
    path = written(tmp_path / "toy.jsonl.gz", block * 256)
    table = written(tmp_path / "toy.toml", HEAD)
    script = (
        "import sys, resource\n"
        "import qinn_bench.cli.capacity\n"
        "from qinn_bench.cli.main import main\n"
        "held = next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmData'))\n"
        "resource.setrlimit(resource.RLIMIT_DATA, ((held + 200_000) * 1024,) * 2)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["capacity", str(table), "--records", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 2 and "a line of more than 8 MiB" in done.stderr


@EVERY
@given(label=LABELS | st.sampled_from(list(ENDS)), reason=LABELS)
def test_records_are_read_back_whatever_they_are_called(tmp_path, label, reason):
    made = [called(record("a", 0, "swd", 0.5, reason=reason), f"{label}{at}", f"k{at}") for at in range(3)]
    published.write(tmp_path / "toy.jsonl.gz", "toy", made)
    assert published.read(tmp_path / "toy.jsonl.gz", "toy") == made


@EVERY
@given(label=LABELS | st.sampled_from(list(ENDS)), knob=LABELS)
def test_runs_are_read_back_whatever_they_hold(tmp_path, label, knob):
    for path in run_files.files(tmp_path):
        path.unlink()
    common = {"run": "0123abcd", "utc": "2026-03-04T05:06:07+00:00", "commit": "c" * 40, "dirty": False, "clock": "cpu"}
    machine = Machine(processor="x", architecture="y", cores=1, memory_gib=1, system="z", blas="b")
    common |= {"machine": machine.name, "environment": label, "version": label, "quantity": label, "unit": label}
    made = [RunRow(workload=label, knobs={knob: label}, reason=label, **common) for _ in range(2)]
    path = run_files.save(tmp_path, made, machine)
    assert run_files.read(path) == made


@EVERY
@given(label=LABELS | st.sampled_from(list(ENDS)))
def test_what_is_accepted_is_read_back_whatever_it_is_called(tmp_path, label):
    made = anchor.Anchor(commit="c" * 40, reason=label or "x", day="2026-01-01")
    anchor.save(tmp_path, made)
    assert anchor.load(tmp_path) == made
    sight = {"metric": label, "column": label, "samples": 9, "deformation": "shift", "epsilon": 0.1, "top": 1.0}
    given_ = Licence(data=label, fingerprint=label, sights=(Sight(**sight, repeats=9, null=9),))
    licence.write(tmp_path / "licence.json", given_)
    assert licence.read(tmp_path / "licence.json") == given_
    watch = WatchedStudy(study="toy.toml", margins={"swd": 0.1})
    numbers = golden_numbers.golden_of(
        watch, "toy", [called(one, label, one.key) for one in row("a", [0.1] * 5)], label, label
    )
    golden_numbers.save_golden(tmp_path / "golden.json", numbers)
    assert golden_numbers.load_golden(tmp_path / "golden.json") == numbers


@given(name=LABELS | st.sampled_from(["..", "../../x", "/etc/passwd", "a/b", ".", "moons[events=2000]", "a\0b"]))
def test_a_name_that_becomes_a_file_stays_in_its_folder(name):
    path = licence.path(Path("results"), name)
    assert path.parent == Path("results/licence") and path.name.endswith(".json") and "\0" not in path.name


@pytest.mark.parametrize("study", ["../..", "..", "a/..", "x/../../y z.toml", "ABC.toml", "/", "a\\u0000b"])
def test_the_study_of_claims_names_no_other_folder(tmp_path, study):
    path = tmp_path / "a.toml"
    text = (ROOT / "benchmarks/claims/entanglers.toml").read_text(encoding="utf8")
    path.write_text(re.sub(r'(?m)^study = ".*"', lambda _: f'study = "{study}"', text), encoding="utf8")
    assert "'study' is" in refused(claim_file.load, path)


@pytest.mark.parametrize("key", ["../../x", "a/b", "", "x" * 101, "a\u2028b", "."])
def test_a_published_record_whose_key_is_a_path_is_refused(tmp_path, key):
    published.write(tmp_path / "toy.jsonl.gz", "toy", [called(record("a", 0, "swd", 0.5), "a", key)])
    assert "is not a record of this version: key: " in refused(published.read, tmp_path / "toy.jsonl.gz", "toy")


def test_a_published_record_of_another_study_is_refused(tmp_path):
    path = tmp_path / "toy.jsonl.gz"
    for study, why in (
        ("../x", "line 2, is not a record of this version: study: "),
        ("other", "is a record of 'other'"),
    ):
        published.write(path, "toy", [record("a", 0, "swd", 0.5).model_copy(update={"study": study})])
        assert why in refused(published.read, path, "toy")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("model", "affine_inn[blocks=1000000000]"),
        ("model", "affine_inn[hidden=100000]"),
        ("model", "affine_inn[hidden=10000,hidden_layers=1000,blocks=1000]"),
        ("model", "qinn[copies=1000000000]"),
        ("model", "qinn[uploads=100000]"),
        ("model", f"spline_inn[bins={'9' * 400}]"),
        ("data", "moons[events=100000000000]"),
        ("data", "zjets[max_events=1000000000000]"),
    ],
)
def test_knobs_that_would_build_for_ever_are_refused(kind, text):
    assert "at most" in refused(registry.spell_out, kind, registry.parse_use(text))


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999", "9" * 5000])
def test_a_knob_that_is_no_finite_number_is_refused(value):
    assert "expected" in refused(registry.spell_out, "model", registry.parse_use(f"spline_inn[bound={value}]"))


def test_the_sizes_of_every_published_study_are_allowed():
    for path in sorted((ROOT / "benchmarks/studies").glob("*.toml")):
        bounds.check_study(study_files.load_study(path))


@pytest.mark.parametrize(
    "more",
    [
        "samples = 100000000000",
        "mass_draws = 100000000000",
        f"sizes = {list(range(1, 201))}\nseeds = 1000",
        f"data = {['moons'] * 500}\nseeds = 1000",
    ],
)
def test_studies_that_cannot_be_planned_are_refused(tmp_path, more, capsys):
    head = HEAD if not more.startswith("data") else HEAD.replace('data = ["moons"]\n', "")
    path = written(tmp_path / "a.toml", head.replace("[budgets.a]", more + "\n[budgets.a]"))
    assert main(["status", str(path)]) == 2
    assert "at most" in capsys.readouterr().err


def test_a_budget_of_too_many_steps_is_refused(tmp_path):
    path = written(tmp_path / "a.toml", HEAD.replace("[budgets.a]\n", "[budgets.a]\nsteps = 100000000000\n"))
    assert "budget 'a': steps is 100000000000, at most" in refused(study_files.load_study, path)


@pytest.mark.parametrize(
    "words",
    [
        ["scale", "--qubits", "1:10000000000"],
        ["scale", "--qubits", "1:10000000000:2"],
        ["scale", "--qubits", "30:1"],
        ["scale", "--layers", "1000000000"],
        ["data", "make", "zjets", "--events", "100000000000", "-j", "1"],
        ["data", "make", "zjets", "-j", "1000000000"],
        ["data", "make", "zjets", "-j", "0"],
        ["match", "-d", "moons[events=100000000000]", "--params", "100", "-m", "affine_inn"],
        ["match", "-d", "moons", "--params", "100", "-m", "affine_inn[blocks=1000000000]"],
    ],
)
def test_arguments_that_ask_for_too_much_are_refused_at_once(words, capsys):
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "expected" in said.strip().split("\n")[-1] or "at most" in said


def test_a_time_that_is_none_is_refused_by_name(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text((ROOT / "benchmarks/claims/entanglers.toml").read_text(encoding="utf8"), encoding="utf8")
    claim_locks.freeze(path)
    found, lock = claim_file.load(path), claim_locks.lock_path(path)
    mine = [record(found.claims[0].first, 0, "swd", 0.5, provenance={"finished_utc": "yesterday"})]
    assert "was finished at 'yesterday', which is no time" in refused(claim_locks.standing, path, found, mine)
    mine = [record(found.claims[0].first, 0, "swd", 0.5, provenance={"finished_utc": "2100-01-01T00:00:00"})]
    assert claim_locks.standing(path, found, mine).kind == "frozen"
    lock.write_text(re.sub(r'"frozen_utc": "[^"]*"', '"frozen_utc": "soon"', lock.read_text()))
    assert "was frozen at 'soon', which is no time" in refused(claim_locks.standing, path, found, mine)


def test_known_counters_nested_too_deeply_are_refused(tmp_path):
    path = written(tmp_path / "counters.json", '{"a":' * 5000)
    assert "nested too deeply" in refused(golden.load, path) or "not a file of known counters" in refused(
        golden.load, path
    )


def test_use_takes_no_part_of_a_path():
    assert "is not of the form" in refused(registry.parse_use, "../moons")
    assert str(Use(name="moons")) == "moons"


def test_a_file_takes_the_memory_of_what_it_holds_and_not_of_what_it_may(tmp_path):
    path = written(tmp_path / "small", b"x" * 5000)
    tracemalloc.start()
    try:
        assert files.read_bytes(path) == b"x" * 5000
        assert store.look(tmp_path, "toy", "none") is None
        with path.open("rb") as file:
            assert files.at_most(file, 4999) == b"x" * 4999
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()
    large = written(tmp_path / "large", bytes(range(256)) * 10000)
    with large.open("rb") as file:
        assert files.at_most(file, 2**40) == large.read_bytes()


def test_files_of_the_project_are_at_hand_in_any_folder(tmp_path, monkeypatch, capsys):
    """As an installation has them in an empty folder; what lies in the folder comes first."""
    monkeypatch.chdir(tmp_path)
    published = ["--records", "results/published/quick.jsonl.gz"]
    assert main(["table", "benchmarks/studies/quick.toml", *published]) == 0
    out = capsys.readouterr().out
    assert "qinn" in out and "What these metrics can see on zjets" in out
    assert main(["claims", "check", "benchmarks/claims/entanglers.toml", "--results", str(tmp_path)]) == 5
    assert "frozen" in capsys.readouterr().out
    assert main(["claims", "list"]) == 0 and "benchmarks/claims/entanglers.toml" in capsys.readouterr().out
    assert not list(tmp_path.iterdir()), "reading leaves nothing behind"
    (tmp_path / "benchmarks" / "studies").mkdir(parents=True)
    (tmp_path / "benchmarks" / "studies" / "quick.toml").write_text("name = 3")
    assert main(["table", "benchmarks/studies/quick.toml"]) == 2
    assert main(["table", "benchmarks/studies/nosuch.toml"]) == 2
    assert main(["table", "benchmarks/studies/../../README.md"]) == 2
    assert "there is no study file 'benchmarks/studies/../../README.md'" in capsys.readouterr().err


def test_what_is_at_hand_is_what_the_package_ships():
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["tool"]["scikit-build"]["wheel"]
    shipped = {source for place, source in written["packages"].items() if place == f"qinn_bench/shipped/{source}"}
    assert shipped == files.SHIPPED and all((ROOT / folder).is_dir() for folder in shipped)
    assert set(written["packages"].values()) == shipped | {"qinn_bench", "reference_models"}


def test_a_name_stands_for_the_file_of_that_name_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "mine.toml", b"")
    assert files.named(Path("mine"), "benchmarks/studies", "study file")[0] == Path("mine.toml")
    assert files.named(Path("mine.toml"), "benchmarks/studies", "study file")[0] == Path("mine.toml")
    assert files.named(Path("quick"), "benchmarks/studies", "study file")[0] == Path("benchmarks/studies/quick.toml")
    assert "there is no study file 'other'" in files.named(Path("other"), "benchmarks/studies", "study file")[1]
