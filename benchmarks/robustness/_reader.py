"""A process that imports everything once and then calls verbs in folders, as orders come in; says how each ended."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import torch

from qinn_bench.cli import claims, compare, data, figure, licence, nightly, publish, quality, status, table, variance
from qinn_bench.cli.main import main
from qinn_bench.performance.nightly import preflight

LOADED = (claims, compare, data, figure, licence, nightly, publish, quality, status, table, variance)


class Late(BaseException):
    """A call that takes too long."""


def late(*_: object) -> None:
    raise Late


def call(order: dict[str, object], said: Path) -> dict[str, object]:
    """Call one verb with its output in a file."""
    os.chdir(str(order["folder"]))
    os.environ["QINN_BENCH_DATA"] = str(Path(str(order["folder"])) / "samples")
    code, is_late = 0, False
    with said.open("w+b", buffering=0) as file:
        os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
        # CPU time, for the machine may be busy; and four times as much by the wall, for a call may wait for ever.
        seconds = float(str(order["seconds"]))
        signal.setitimer(signal.ITIMER_PROF, seconds), signal.setitimer(signal.ITIMER_REAL, 4 * seconds)
        try:
            code = main(list(order["words"]))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except Late:
            is_late = True
        except BaseException as error:
            print(f"Traceback (most recent call last): {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0), signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.flush(), sys.stderr.flush()
        file.seek(0)
        text = file.read().decode("utf8", "replace")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    shown = text if "Traceback" in text[-20_000:] else text[-300:]
    return {"code": code, "said": shown, "late": is_late, "peak": peak}


def serve() -> None:
    """Take orders, one JSON line each, until there are none."""
    torch.set_num_threads(1)
    preflight.WATCHED_SECONDS = 0.0
    private = os.fdopen(os.dup(1), "w")
    signal.signal(signal.SIGALRM, late), signal.signal(signal.SIGPROF, late)
    held = int(
        next(line for line in Path("/proc/self/status").read_text().split("\n") if line.startswith("VmData")).split()[1]
    )
    most = held * 1024 + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            answer = call(json.loads(line), Path(folder) / "said")
            private.write(json.dumps(answer) + "\n")
            private.flush()


if __name__ == "__main__":
    serve()
