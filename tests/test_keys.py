"""Keys are of content: wording and places change none, whatever makes a number does; committed results belong here."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
from rows import CELL

from qinn_bench import registry, sources
from qinn_bench.data.transforms import Affine, Chain, Columnwise, LogShift
from qinn_bench.performance.counters import golden
from qinn_bench.performance.workloads import uses, workload_of
from qinn_bench.records import keys, measures, published
from qinn_bench.sensitivity import licence
from qinn_bench.study import planning, study_files
from qinn_bench.values import Budget, Use
from qinn_bench.verdicts import golden_numbers

ROOT = Path(__file__).parents[1]
FLOWS = {"affine_inn", "cubic_inn", "spline_inn", "hybrid_qinn", "calo_inn", "calo_cfm", "quantum_latent_flow"}
CIRCUITS = {"qinn", "hybrid_qinn"}
WITH_LAYERS = {name for name in registry.names("model") if registry.takes("model", name, "backend")}


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the source, to be edited, and what its content is then."""
    for package in ("qinn_bench", "reference_models"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))

    def contents():
        spec = importlib.util.spec_from_file_location("copied_sources", tmp_path / "qinn_bench" / "sources.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        roots = {name: keys.roots_of(name) for name in registry.names("model")}
        roots |= {"training": keys.TRAINING, "contract": keys.CONTRACT, "control": keys.CONTROL}
        roots["transforms"] = ("qinn_bench.data.transforms:Affine",)
        return {name: module.fingerprint(module.reach(root, keys.NEUTRAL).values()) for name, root in roots.items()}

    return tmp_path, contents


def edit(path, old, new, count=1):
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new) if count == 0 else text.replace(old, new, count), encoding="utf8")


def move(folder, old, new):
    """Move a module and tell everybody who imports it."""
    source, target = (folder.joinpath(*name.split(".")).with_suffix(".py") for name in (old, new))
    target.parent.mkdir(exist_ok=True)
    (target.parent / "__init__.py").touch()
    source.rename(target)
    package, _, stem = old.rpartition(".")
    home, _, name = new.rpartition(".")
    for file in folder.rglob("*.py"):
        text = file.read_text(encoding="utf8").replace(f"from {old} import", f"from {new} import")
        if stem == name:
            text = text.replace(f"from {package} import {stem}\n", f"from {home} import {name}\n")
        file.write_text(text, encoding="utf8")


def test_wording_and_places_change_no_content(copied):
    folder, contents = copied
    before = contents()
    models = folder / "reference_models"
    edit(models / "quantum_flows" / "qinn.py", '"""Keep some training rows', '"""Hold on to some training rows')
    edit(
        models / "_parts" / "flow.py",
        "        total = x.new_zeros(len(x))",
        "        # Log-dets add up.\n        total = x.new_zeros(len(x))",
    )
    edit(
        models / "_parts" / "flow.py",
        "def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:",
        "def forward(self, x, condition=None):",
        0,
    )
    edit(
        folder / "qinn_bench" / "training" / "loop.py",
        '    """The state of one training; it lives for one call of `fit`."""\n',
        "",
    )
    edit(folder / "qinn_bench" / "contracts.py", "LOG_2PI = 1.8378770664093453", "LOG_2PI: float = 1.8378770664093453")
    for old, new in {
        "reference_models._parts.solver": "reference_models._more.solver",
        "reference_models._parts.flow": "reference_models._more.couplings",
        "qinn_bench.seeds": "qinn_bench.ground.seeds",
        "qinn_bench.quantum.circuit": "qinn_bench.quantum.values.circuit",
    }.items():
        move(folder, old, new)
    assert contents() == before


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        ("reference_models/_parts/flow.py", "nn.SiLU()", "nn.GELU()", FLOWS),
        ("reference_models/_parts/solver.py", "STEPS, CHUNK = 60", "STEPS, CHUNK = 61", {*CIRCUITS, "flow_matching"}),
        ("qinn_bench/training/loop.py", '"adam": torch.optim.Adam,', '"adam": torch.optim.SGD,', {"training"}),
        ("qinn_bench/training/loop.py", "= player, budget.clip", "= player, 2 * budget.clip", {"training"}),
        ("qinn_bench/study/train_cell.py", 'seed_of("init"', 'seed_of("start"', {"training"}),
        (
            "qinn_bench/contracts.py",
            "-density_of(self, batch).mean()",
            "-density_of(self, batch).median()",
            {"contract"},
        ),
        ("qinn_bench/quantum/stand_ins.py", "RIDGE = ", "RIDGE = 2 * ", {"control"}),
        ("qinn_bench/quantum/layer.py", "torch.zeros(circuit", "torch.ones(circuit", WITH_LAYERS),
        (
            "qinn_bench/data/transforms.py",
            "(x - self.shift) / self.scale",
            "(x + self.shift) / self.scale",
            {"transforms"},
        ),
        ("qinn_bench/quantum/simulators/statevector.py", "def ", "# fast\ndef ", set()),
        ("qinn_bench/nouns/record.py", "class Record(Value):", "class Record(Value):\n    extra: int = 0", set()),
    ],
)
def test_what_makes_a_number_changes_the_content(copied, file, old, new, moved):
    folder, contents = copied
    before = contents()
    edit(folder / file, old, new)
    after = contents()
    models = set(registry.names("model"))
    found = {name for name in before if before[name] != after[name]}
    if moved == {"contract"}:
        assert found - models == {"contract"} and "gaussian" in found
    elif moved == {"control"}:
        assert found - {"training"} == moved
    else:
        assert found - ({"control", "training"} if moved & models else set()) == moved


def test_every_neutral_module_exists():
    assert all(importlib.util.find_spec(name) for name in keys.NEUTRAL)


def test_the_content_of_constants_and_loops_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_path", lambda module: tmp_path / f"{module}.py" if module == "one" else None)

    def content(text):
        (tmp_path / "one.py").write_text(text, encoding="utf8")
        sources._parsed.cache_clear()
        return sources.fingerprint(sources.reach(["one:f"], ()).values())

    base = content("A = None\ndef f(x: int = 1) -> int:\n    'Doc.'\n    return A or x\n")
    assert base == content("def g(): ...\n\n\ndef f(x=1):\n    return A or x\nA = None\n")
    others = [
        "A = 0\ndef f(x=1):\n    return A or x\n",
        "A = False\ndef f(x=1):\n    return A or x\n",
        "A = None\ndef f(x=2):\n    return A or x\n",
        "A = None\ndef f(x=1):\n    return x or A\n",
        "from a import B as A\ndef f(x=1):\n    return A or x\n",
        "from b import B as A\ndef f(x=1):\n    return A or x\n",
        "A = None\nA = 1\ndef f(x=1):\n    return A or x\n",
    ]
    assert len({base, *map(content, others)}) == 1 + len(others)
    sources._parsed.cache_clear()


def test_the_key_changes_with_anything_that_changes_the_number():
    def key(cell=CELL, **more):
        return keys.key_of({"cell": keys._hash(keys.spelled(cell)), "data": "d", "model": "m"} | more)

    others = [
        key(data="other"),
        key(model="other"),
        key(size="3"),
        *(key(CELL.model_copy(update={name: value})) for name, value in {"seed": 1, "samples": 11}.items()),
        key(CELL.model_copy(update={"budget": Budget(steps=7)})),
        key(CELL.model_copy(update={"model": Use(name="m", knobs={"a": 2})})),
    ]
    assert key() == key() and len({key(), *others}) == 1 + len(others)


def test_a_field_that_came_later_is_named_only_where_it_differs(monkeypatch):
    fields = tuple(name for name in keys.FROZEN[Budget] if name != "patience")
    monkeypatch.setitem(keys.FROZEN, Budget, fields)
    plain = keys.spelled(CELL)
    assert "patience" not in plain["budget"] and "clip" in plain["budget"]
    assert keys.spelled(CELL.model_copy(update={"budget": Budget(patience=3)}))["budget"]["patience"] == 3


def test_a_knob_that_came_later_changes_no_seed_and_no_key(monkeypatch):
    module, given = registry.find("model", "spline_inn"), {}
    before = registry.spell_out("model", Use(name="spline_inn"))

    def build(dim, *, blocks=8, hidden=16, hidden_layers=1, bins=8, bound=5.0, twist="new"):
        given.update(twist=twist)

    monkeypatch.setattr(module, "build", build)
    monkeypatch.setattr(module, "ABOUT", module.ABOUT.model_copy(update={"later": {"twist": "old"}}))
    assert registry.spell_out("model", Use(name="spline_inn", knobs={"twist": "old", **before.knobs})) == before
    new = registry.spell_out("model", Use(name="spline_inn"))
    assert new.knobs["twist"] == "new" and str(new) != str(before)
    registry.make("model", before, 2)
    assert given == {"twist": "old"}, "a cell of before is built as it was"
    registry.make("model", Use(name="spline_inn", knobs={"blocks": 2}), 2)
    assert given == {"twist": "new"}, "what is left open has its default"


def test_maps_to_features_are_known_by_their_code_and_parameters():
    def content(*maps):
        return keys.transforms_fingerprint(Chain((Columnwise(maps),)))

    base = content(Affine(1.0, 2.0), LogShift(3.0))
    assert base == content(Affine(1.0 + 1e-12, 2.0), LogShift(3.0)), "sums are rounded in several ways"
    others = [content(Affine(1.0, 2.001), LogShift(3.0)), content(LogShift(3.0), Affine(1.0, 2.0))]
    others += [content(Affine(1.0, 2.0)), content(Affine(1.0, 2.0), Affine(3.0, 1.0))]
    assert len({base, *others}) == 5


def test_known_edits_keep_keys_or_give_their_reason(monkeypatch):
    known = [
        keys.Change(part="model", was="a", now="b", numbers="same", why="renamed"),
        keys.Change(part="model", was="b", now="c", numbers="moved", why="the inverse was wrong"),
        keys.Change(part="model", was="c", now="d", numbers="same", why="split"),
    ]
    monkeypatch.setattr(keys, "changes", lambda: tuple(known))
    monkeypatch.setattr(keys, "settled", keys.settled.__wrapped__)
    assert keys.settled("model", "b") == "a" and keys.settled("model", "d") == "c"
    assert keys.settled("training", "b") == "b"
    assert keys.differences({"model": "a"}, {"model": "b"}) == []
    assert keys.differences({"model": "a"}, {"model": "d"}) == ["the model was mended: the inverse was wrong"]
    assert keys.differences({"model": "a"}, {"model": "x"}) == ["the model differs"]
    assert keys.differences({"training": "a"}, {"training": "b"}) == ["the training loop differs"]
    assert keys.differences({}, {"model": "a"}) == ["what made the record is not known"]
    pairs = [({"model": "a"}, {"model": "b"}), ({"c2st": "u", "model": "m"}, {"c2st": "v", "model": "n"})]
    assert keys.counted_differences(pairs) == "the model differs (1); the measure c2st differs (1)"


def unexplained(told):
    return [one for one in told if "was mended" not in one]


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "published").glob("*.gz")), ids=lambda path: path.name)
def test_every_published_record_belongs_to_this_tree_or_says_what_was_mended(path):
    records = published.read(path, path.name.partition(".")[0])
    data, odd = {}, []
    for record in records:
        name = str(record.cell.data)
        data.setdefault(name, registry.make("data", record.cell.data))
        now = keys.inputs_of(record.cell, data[name], record.size if record.status == "skipped" else None)
        odd += unexplained(keys.differences(record.inputs, now))
        if not keys.differences(record.inputs, now):
            assert record.key == keys.key_of(now)
        if record.measured:
            metrics = tuple(name for name in record.measured if name not in measures.MEASURING)
            odd += unexplained(keys.differences(record.measured, measures.fingerprints(metrics)))
    assert not odd


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "licence").glob("*.json")), ids=lambda path: path.name)
def test_every_licence_belongs_to_this_tree_or_says_what_was_mended(path):
    found = licence.read(path)
    data = registry.make("data", registry.spell_out("data", registry.parse_use(found.data)))
    assert found.fingerprint == data.fingerprint
    metrics = tuple(sorted({sight.metric for sight in found.sights}))
    now = {name: code for name, code in measures.fingerprints(metrics).items() if name in metrics}
    assert not unexplained(keys.differences(found.measured, now))


@pytest.mark.parametrize("name", ["nightly"])
def test_every_golden_number_belongs_to_this_tree_or_says_what_was_mended(name):
    found = golden_numbers.load_golden(ROOT / "results" / "golden" / "quality" / f"{name}.json")
    orders = planning.plan(study_files.load_study(ROOT / "benchmarks" / "studies" / f"{name}.toml"), ROOT / "results")
    now = {golden_numbers.row_of(order.row, str(order.cell.data)): order.inputs for order in orders}
    for one in found.series:
        row = golden_numbers.row_of(one.row, one.data)
        made_by = {part: content for part, content in now[row].items() if part != "cell"}
        assert not unexplained(keys.differences(found.inputs[row], made_by)), row
    code = measures.fingerprints(tuple(found.measured))
    assert not unexplained(keys.differences(found.measured, {name: code[name] for name in found.measured}))


def test_every_known_counter_belongs_to_a_workload_of_this_tree():
    versions = {str(use): workload_of(use).version for use in uses()}
    known = json.loads((ROOT / "results" / "golden" / "counters.json").read_text(encoding="utf8"))
    assert known and golden.load(ROOT / "results" / "golden" / "counters.json")
    for where, found in known.items():
        odd = {name for name, one in found.items() if versions.get(name, one["version"]) != one["version"]}
        assert not odd and set(found) <= set(versions), f"{where}: {odd or set(found) - set(versions)}"
