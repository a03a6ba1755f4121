"""What stops a verb becomes one sentence and an exit code that no verdict has, whatever stopped it."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qinn_bench.cli import _endings, _output, compare
from qinn_bench.cli.main import VERBS, main, module_of
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs/examples/demsar2006.csv"
COMPARE = ["compare", "--from", str(TABLE), "--row", "classifier", "--column", "dataset", "--value", "auc"]
RUN = [sys.executable, "-m", "qinn_bench.cli.main"]


def called(*words, **more):
    done = subprocess.run([*RUN, *words], capture_output=True, timeout=300, cwd=ROOT, check=False, **more)
    return done.returncode, done.stdout, done.stderr.decode()


def raising(mocker, error):
    mocker.patch.object(compare, "run", side_effect=error)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Refused("no such row"), 2, "qinn-bench compare: no such row"),
        (OSError(errno.ENOSPC, "No space left", "/x/y"), 74, "'/x/y': the disk is full"),
        (OSError(errno.EROFS, "Read-only", "/x/y"), 74, "'/x/y': the file system is read-only"),
        (PermissionError(errno.EACCES, "denied", "/x/y"), 74, "'/x/y': this user may not"),
        (OSError(errno.EMFILE, "Too many", "/x"), 74, r"may not open more files; raise the limit \(ulimit -n\)"),
        (NotADirectoryError(errno.ENOTDIR, "no", "/x/y"), 2, "'/x/y' is asked for below a file"),
        (FileExistsError(errno.EEXIST, "no", "/x/y"), 2, "'/x/y' is there already"),
        (OSError(errno.ENAMETOOLONG, "no", "/x/y"), 2, "'/x/y' is longer than the file system takes"),
        (OSError("AF_UNIX path too long"), 2, "set TMPDIR to a shorter one"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), 2, "cannot be written in the encoding of this system"),
        (MemoryError(), 74, "there is not enough memory for this"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 74, "there is not enough memory"),
        (KeyboardInterrupt(), 130, "stopped"),
        (RecursionError("maximum recursion depth exceeded"), 70, "a fault of this program"),
        (
            ZeroDivisionError("by zero"),
            70,
            r"this program \(ZeroDivisionError: by zero\); the traceback is in",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_whatever_stops_a_verb_is_one_sentence_and_never_a_verdict(mocker, capsys, error, code, said):
    raising(mocker, error)
    assert main(COMPARE) == code
    err = capsys.readouterr().err
    assert re.search(said, err) and err.count("\n") == 1 and "Traceback" not in err


@given(number=st.sampled_from(sorted(errno.errorcode)), name=st.text(max_size=30))
def test_every_error_of_the_system_is_a_sentence(number, name):
    sentence, code = _endings.explained(OSError(number, os.strerror(number), name))
    assert sentence and code in (2, 74)


def test_a_fault_keeps_its_traceback_in_a_private_file(mocker, capsys):
    raising(mocker, ZeroDivisionError("by zero"))
    main(COMPARE)
    path = Path(re.search(r"the traceback is in (\S+),", capsys.readouterr().err)[1])
    assert path.stat().st_mode & 0o777 == 0o600
    assert "ZeroDivisionError: by zero" in path.read_text(encoding="utf8")
    path.unlink()


@pytest.mark.parametrize("at", [0, 1, len(COMPARE)])
def test_debug_prints_the_traceback(mocker, capsys, at):
    raising(mocker, ZeroDivisionError("by zero"))
    assert main([*COMPARE[:at], "--debug", *COMPARE[at:]]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_nothing_is_said_where_nobody_reads(mocker, capsys):
    raising(mocker, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert main(COMPARE) == 141
    assert capsys.readouterr() == ("", "")


def test_output_into_head_is_silent():
    process = subprocess.Popen([*RUN, *COMPARE, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    process.stdout.close()
    said = process.stderr.read()
    assert (process.wait(timeout=120), said) == (141, b"")


@pytest.mark.parametrize(
    "closed", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("<&-", ">&-", "2>&-")), "<&- >&- 2>&-"]
)
def test_closed_standard_streams_change_no_exit_code_and_no_file(tmp_path, closed):
    """Without them the next files that are opened would take their places, and what is printed would go there."""
    study = tmp_path / "toy.toml"
    lines = ['name = "toy"', 'data = ["moons[events=400]"]', "seeds = 1", "samples = 100", 'metrics = ["swd"]']
    study.write_text("\n".join([*lines, "[budgets.a]", "steps = 1", "[[models]]", 'model = "truth"']))
    for verb in (["run", str(study), "-j", "1"], ["status", str(study), "--json"]):
        words = [*RUN, *verb, "--results", str(tmp_path / "results")]
        done = subprocess.run(["bash", "-c", f'"$@" {closed}', "-", *words], capture_output=True, timeout=300, cwd=ROOT)
        assert done.returncode == 0, done.stderr.decode()
        if verb[0] == "status" and ">&-" not in closed.split():
            assert json.loads(done.stdout)["status"] == {"ok": 1, "to run": 0}
        if verb[0] == "run" and closed == "2>&-":
            assert b"1 cells" not in done.stdout
    assert len(list((tmp_path / "results/records/toy").iterdir())) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_onto_a_full_disk_is_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*RUN, *COMPARE], stdout=full, stderr=subprocess.PIPE, timeout=120, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (74, b"qinn-bench compare: the disk is full\n")


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
    ],
)
def test_a_locale_without_the_signs_gets_others(variables):
    code, out, err = called(*COMPARE, env=os.environ | variables)
    assert (code, err) == (0, "") and out.isascii()
    wide = called(*COMPARE, env=os.environ | {"PYTHONUTF8": "1"})[1].decode()
    assert [len(line) for line in out.decode().split("\n")] == [len(line) for line in wide.split("\n")]


@given(text=st.text())
def test_json_loses_nothing_in_ascii(text):
    _output.prepare()
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=_output.ESCAPED)
    out.write(text), out.flush()
    shown = out.buffer.getvalue().decode("ascii")
    back = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), shown)
    if "\\u" not in text:
        assert back.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") == text


def test_too_few_descriptors_are_a_sentence():
    script = (
        "import sys, os, resource\n"
        "import qinn_bench.cli.compare\n"
        "from qinn_bench.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "os._exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *COMPARE], capture_output=True, timeout=120, check=False)
    assert done.returncode == 74
    assert b"may not open more files" in done.stderr and b"Traceback" not in done.stderr


def test_no_verb_uses_a_code_of_an_ending():
    """Codes of verdicts and states are below the reserved ones, which stand in one place."""
    reserved = {_endings.FAULT, _endings.SYSTEM, _endings.INTERRUPTED, _endings.NO_READER}
    for name in VERBS:
        source = (ROOT / f"{module_of(name).replace('.', '/')}.py").read_text(encoding="utf8")
        found = {int(code) for code in re.findall(r"\breturn (\d+)\b", source)}
        assert not found & (reserved - ({130} if name in ("run", "scale") else set())), name


def test_a_results_folder_that_is_a_file_and_a_name_that_is_too_long(tmp_path, capsys):
    (tmp_path / "results").write_text("")
    assert main([*COMPARE, "--out", str(tmp_path / "results" / "x.txt")]) == 2
    assert "results' is there already, and is not what was expected" in capsys.readouterr().err
    assert main([*COMPARE, "--out", str(tmp_path / ("x" * 300))]) == 2
    assert "longer than the file system takes" in capsys.readouterr().err


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True, timeout=60)


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(small_disk, capsys):
    (small_disk / "filler").write_bytes(bytes(60_000))
    assert main([*COMPARE, "--json", "--out", str(small_disk / "found.json")]) == 74
    assert "the disk is full" in capsys.readouterr().err
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_read_only_disk_is_a_sentence(small_disk, capsys):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True, timeout=60)
    assert main([*COMPARE, "--out", str(small_disk / "found.txt")]) == 74
    assert "the file system is read-only" in capsys.readouterr().err


def test_limits_of_memory_are_a_sentence(tmp_path):
    """A table that does not fit into the memory that the process may take."""
    big = tmp_path / "big.csv"
    with big.open("w") as file:
        file.write("classifier,dataset,auc\n")
        file.writelines(f"{'x' * 50}{row},{'y' * 50}{at},0.5\n" for row in range(100) for at in range(3000))
    script = (
        "import sys, os, resource\n"
        "import qinn_bench.cli.compare\n"
        "from qinn_bench.cli.main import main\n"
        "held = next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmData'))\n"
        "resource.setrlimit(resource.RLIMIT_DATA, ((held + 20_000) * 1024,) * 2)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["compare", "--from", str(big), *COMPARE[3:]]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, timeout=120, check=False)
    assert done.returncode == 74 and b"not enough memory" in done.stderr and b"Traceback" not in done.stderr
