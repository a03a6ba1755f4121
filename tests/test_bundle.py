"""A bundle is whole, described by the rules of RO-Crate, and what is in it gives the numbers back."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import zipfile
from pathlib import Path

import pytest

from qinn_bench.cli.main import main
from qinn_bench.report.bundle.archive import bundle_problems, read_bundle, write_bundle, zipped
from qinn_bench.report.bundle.contents import check_names, sums
from qinn_bench.report.bundle.crate import CRATE, problems
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "results/published/quick.jsonl.gz"
STUDY = """
name = "toy"
data = ["moons[events=1000]"]
seeds = 2
samples = 200
metrics = ["swd"]
[budgets.tiny]
steps = 2
[[models]]
model = "gaussian"
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of published records, as the verb writes it."""
    folder = tmp_path_factory.mktemp("bundles") / "quick"
    words = [str(ROOT / "benchmarks/studies/quick.toml"), "--records", str(RECORDS), "-s", "0", "-m", "spline_inn"]
    assert main(["report", *words, "--results", str(ROOT / "results"), "--bundle", str(folder)]) == 0
    return folder


def test_a_bundle_has_what_a_referee_needs_and_its_checksums_are_those_of_sha256sum(bundle, capsys):
    files = read_bundle(bundle)
    wanted = {"page.html", "README.md", "environment.lock", "SHA256SUMS", CRATE, "benchmarks/studies/quick.toml"}
    assert wanted | {"results/published/quick.jsonl.gz", "results/licence/zjets.json"} == set(files)
    for line in files["SHA256SUMS"].decode().splitlines():
        told, name = line.split("  ")
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == told
    assert main(["report", "--check", str(bundle)]) == 0
    assert f"{len(files)} files, all as they were made" in capsys.readouterr().out


def test_the_records_of_a_bundle_give_its_table_in_an_empty_folder(bundle, tmp_path, monkeypatch, capsys):
    words = ["benchmarks/studies/quick.toml", "--records", "results/published/quick.jsonl.gz", "--columns", "nll,swd"]
    monkeypatch.chdir(bundle)
    assert main(["table", *words, "--format", "csv", "-s", "0", "-m", "spline_inn"]) == 0
    inside = capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    words = [str(ROOT / words[0]), "--records", str(RECORDS), "--columns", "nll,swd"]
    assert main(["table", *words, "--format", "csv", "-s", "0", "-m", "spline_inn"]) == 0
    assert inside == capsys.readouterr().out


def test_equal_files_are_equal_archives_and_are_read_back(bundle, tmp_path):
    files = read_bundle(bundle)
    write_bundle(tmp_path / "a.zip", files)
    assert (tmp_path / "a.zip").read_bytes() == zipped(dict(reversed(files.items())))
    assert read_bundle(tmp_path / "a.zip") == files and bundle_problems(files) == []
    with pytest.raises(Refused, match="not empty"):
        write_bundle(bundle, files)


def test_what_was_changed_added_or_lost_is_told(bundle, tmp_path, capsys):
    files = read_bundle(bundle)
    changed = {**files, "page.html": b"x", "extra.txt": b""}
    del changed["environment.lock"]
    told = " ".join(bundle_problems(changed))
    for sentence in (
        "'page.html' is not as it was",
        "'environment.lock' is listed in SHA256SUMS and not there",
        "'extra.txt' is not listed",
        "'extra.txt' is there and not described",
        "'environment.lock' is described and not there",
        "'page.html' has another SHA-256",
    ):
        assert sentence in told
    write_bundle(tmp_path / "bad.zip", changed)
    assert main(["report", "--check", str(tmp_path / "bad.zip")]) == 1
    assert "6 problems" in capsys.readouterr().out


def _edited(graph, id, **facts):
    return [{k: v for k, v in (one | facts).items() if v is not None} if one["@id"] == id else one for one in graph]


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda graph: _edited(graph, CRATE, about=None), "no descriptor"),
        (lambda graph: _edited(graph, CRATE, conformsTo=None), "which RO-Crate"),
        (lambda graph: _edited(graph, CRATE, conformsTo="1.1"), "which RO-Crate"),
        (lambda graph: _edited(graph, "./", author={"@id": ["#a"]}), "which is not described"),
        (lambda graph: _edited(graph, "README.md", sha256=None), "or that has none"),
        (lambda graph: _edited(graph, "./", **{"@type": "File"}), "no Dataset"),
        (lambda graph: _edited(graph, "./", license=None), "no license"),
        (lambda graph: _edited(graph, "./", datePublished="yesterday"), "no datePublished"),
        (lambda graph: _edited(graph, "./", hasPart=[]), "not reached from the root"),
        (
            lambda graph: _edited(graph, "./", author={"@id": "#nobody"}),
            "'#nobody' in 'author', which is not described",
        ),
        (lambda graph: _edited(graph, "./", author={"@id": "#a", "name": "A"}), "which the graph should hold"),
        (lambda graph: [*graph, graph[0]], "same @id"),
        (lambda graph: [*graph, {"name": "a"}], "no @id or no @type"),
        (lambda graph: [one for one in graph if one["@id"] != "README.md"], "'README.md' in 'hasPart', which is not"),
    ],
)
def test_every_rule_of_the_description_is_asked(bundle, edit, sentence):
    files = read_bundle(bundle)
    whole = json.loads(files[CRATE])
    assert sentence in " ".join(problems(json.dumps(whole | {"@graph": edit(whole["@graph"])}), files))


def test_lists_of_profiles_and_of_types_are_no_fault(bundle):
    files = read_bundle(bundle)
    whole = json.loads(files[CRATE])
    profiles = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": "https://example.org/profile"}]
    graph = _edited(_edited(whole["@graph"], CRATE, conformsTo=profiles), "README.md", **{"@type": ["File"]})
    assert not problems(json.dumps(whole | {"@graph": graph}), files)
    assert problems("[" * 100_000, files)


def test_an_archive_with_damaged_bytes_is_refused(tmp_path):
    packed = bytearray(zipped({"a.txt": b"some text " * 200}))
    for at in range(40, 60):
        packed[at] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(packed)
    with pytest.raises(Refused, match="is no bundle"):
        read_bundle(tmp_path / "bad.zip")


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a\\b"])
def test_an_archive_that_leads_elsewhere_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(Refused, match="leads out of a bundle"):
        read_bundle(tmp_path / "evil.zip")


@pytest.mark.parametrize("name", ["a:b.toml", "C:/a", "what?.txt", "a/nul.txt", "a./b", "a ", 'x"y', "a|b", "a\tb"])
def test_names_that_some_system_cannot_have_are_refused_in_and_out(bundle, name, tmp_path):
    with pytest.raises(Refused, match=r"on every system|leads out"):
        check_names([name])
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(Refused):
        read_bundle(tmp_path / "odd.zip")
    check_names(list(read_bundle(bundle)))
    with pytest.raises(Refused, match="'A' of a bundle are one file"):
        check_names(["a", "A"])


def test_a_claim_in_a_file_with_an_odd_name_is_not_packed_in_silence(tmp_path, capsys):
    claims = tmp_path / "claims"
    claims.mkdir()
    text = (ROOT / "benchmarks/claims/entanglers.toml").read_text()
    (claims / "a:b.toml").write_text(re.sub(r"study = .*", 'study = "benchmarks/studies/quick.toml"', text, count=1))
    words = ["quick", "--records", str(RECORDS), "-s", "0", "-m", "spline_inn", "--claims-folder", str(claims)]
    assert main(["report", *words, "--bundle", str(tmp_path / "b.zip")]) == 2
    assert "a:b" in capsys.readouterr().err and not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    (tmp_path / "no.zip").write_bytes(content)
    with pytest.raises(Refused, match="is no bundle"):
        read_bundle(tmp_path / "no.zip")
    with pytest.raises(Refused, match="there is no bundle"):
        read_bundle(tmp_path / "absent.zip")


def test_checksums_are_sorted_by_name():
    assert [line.split("  ")[1] for line in sums({"b": b"", "a": b""}).splitlines()] == ["a", "b"]


@pytest.mark.slow
def test_the_recipe_of_a_bundle_gives_the_number_back(tmp_path, monkeypatch, capsys):
    (tmp_path / "toy.toml").write_text(STUDY)
    where = [str(tmp_path / "toy.toml"), "--results", str(tmp_path / "results")]
    assert main(["run", *where]) == 0
    assert main(["report", *where, "--bundle", str(tmp_path / "toy.zip")]) == 0
    empty = tmp_path / "empty"
    with zipfile.ZipFile(tmp_path / "toy.zip") as archive:
        archive.extractall(empty)
    monkeypatch.chdir(empty)
    commands = re.search(r"```sh\n(.*?)```", (empty / "README.md").read_text(), re.DOTALL)[1].splitlines()
    for command in filter(None, map(str.strip, commands)):
        assert main(shlex.split(command)[1:]) == 0, command
    assert "agree" in capsys.readouterr().out
