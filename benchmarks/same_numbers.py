"""Did an edit leave all numbers alone? Tiny cells of every model under two versions, bit by bit, and what to enter.

``python benchmarks/same_numbers.py BASE`` checks out the commit BASE beside the working tree, trains the smallest
instance of every model and of its controls in both, in double precision on the torch simulator, and compares weights,
samples, log-densities and transformed rows. Inputs of keys whose fingerprint differs while all of their cells agree are
printed as entries of ``qinn_bench/changes.toml`` with ``numbers = "same"``, the others as ``"moved"`` without a reason.
The exit code is 1 where keys take cells for the same that differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from qinn_bench import repository

ROOT = Path(__file__).parents[1]
DATA = ("moons[events=400]", "zjets[max_events=400]")
CHILD = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, "known_source_files")]
sys.path.insert(0, sys.argv[1])
import hashlib, json, numpy, torch
from qinn_bench import registry
try:
    from qinn_bench.records import keys
    from qinn_bench.study.train_cell import build, evaluate, train, weights
except ImportError:  # A commit of before training had a file of its own.
    from qinn_bench.records import keys
    from qinn_bench.study import run_cell as run
    build, train, evaluate, weights = run.build, run._train, run._evaluate, run._weights
from qinn_bench.values import Budget, Cell, Refused, Use
torch.use_deterministic_algorithms(True)
found = {}
for text in json.loads(sys.argv[2]):
    use = registry.spell_out("data", registry.parse_use(text))
    data = registry.make("data", use)
    for name in registry.names("model"):
        quantum = registry.takes("model", name, "backend")
        for control in ("", "frozen", "unentangled", "fourier", "tanh", "untrained") if quantum else ("",):
            module = registry.find("model", name)
            knobs = dict(module.ABOUT.tiny if hasattr(module, "ABOUT") else getattr(module, "TINY", {}))
            if control in ("fourier", "tanh") and "fidelity" in knobs:
                knobs["fidelity"] = 0.0
            cell = Cell(
                model=registry.spell_out("model", Use(name=name, knobs=json.loads(sys.argv[3]).get(name, {}) | knobs)),
                data=use, budget=Budget(steps=8, batch=32, check_every=4, precision="float64"),
                backend="torch" if quantum else "none", device="cpu", seed=1, samples=20, mass_draws=1000,
                control=control,
            )
            try:
                model = build(cell, data)
                train(model, cell, data, lambda step: None)
            except Refused:  # As are data without labels by models that need them.
                continue
            model = model.double().eval()
            arrays = weights(model) | evaluate(model, cell, data)
            arrays["features"] = data.transform.forward(data.test)[0]
            digest = hashlib.sha256()
            for key in sorted(arrays):
                digest.update(key.encode() + numpy.ascontiguousarray(arrays[key]).tobytes())
            inputs = {part: one for part, one in keys.inputs_of(cell, data).items() if part not in ("cell", "data")}
            found[f"{name} {control} {text}"] = [digest.hexdigest(), inputs]
print(json.dumps(found))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="a commit")
    parser.add_argument("--knobs", default="{}", help='knobs of the working tree, such as {"qinn": {"ending": "full"}}')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        made = repository.git(ROOT, "worktree", "add", "--detach", str(base), options.base)
        if made.returncode:
            sys.exit(f"git has no working tree of {options.base}: {made.stderr.strip()}")
        try:
            before, after = measured(base, "{}"), measured(ROOT, options.knobs)
        finally:
            repository.git(ROOT, "worktree", "remove", "--force", str(base))
    equal = [cell for cell in before if cell in after and before[cell][0] == after[cell][0]]
    print(f"# {len(equal)} of {len(before)} cells give the same bits", file=sys.stderr)
    print(entries(before, after), end="")
    broken = [cell for cell, (_, made) in before.items() if cell in after and after[cell][1] == made]
    if broken := [cell for cell in broken if cell not in equal]:
        print(f"# keys take these for the same, but they are not: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def measured(folder: Path, knobs: str) -> dict[str, list]:
    """The digest and the inputs of each tiny cell under the version in a folder."""
    words = [sys.executable, "-P", "-c", CHILD, str(folder), json.dumps(DATA), knobs]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def entries(before: dict[str, list], after: dict[str, list]) -> str:
    """What to enter for each input whose fingerprint differs."""
    alike: dict[tuple[str, str, str], list[bool]] = {}
    names: dict[tuple[str, str, str], set[str]] = {}
    for cell, (digest, inputs) in before.items():
        for part, was in inputs.items():
            now = after.get(cell, ["", {}])[1].get(part, "")
            if now and now != was:
                alike.setdefault((part, was, now), []).append(after[cell][0] == digest)
                names.setdefault((part, was, now), set()).add(cell.split()[0])
    return "".join(
        f'[[change]]\npart = "{part}"\nof = "{", ".join(sorted(names[part, was, now]))}"\n'
        f'was = "{was}"\nnow = "{now}"\n'
        f'numbers = "{"same" if all(same) else "moved"}"\nwhy = ""\n\n'
        for (part, was, now), same in alike.items()
    )


if __name__ == "__main__":
    sys.exit(main())
