"""Models, metrics and data sets that misbehave, each as a few lines put into a plug-in, and how its cell has to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = '''"""A plug-in that misbehaves."""
import atexit, ctypes, os, resource, signal, subprocess, sys, threading, time
import numpy as np, torch
from pathlib import Path
from reference_models.flows.affine_inn import build as affine
from qinn_bench.contracts import DensityModel
'''
MODEL = """
class Model(DensityModel):
    def __init__(self, dim):
        super().__init__(dim)
        self.inner = affine(dim, blocks=2, hidden=2)
    def initialise(self, rows, rng):
        self.inner.initialise(rows, rng)
    def forward(self, x):
        return self.inner.forward(x)
    def inverse(self, z):
        return self.inner.inverse(z)
"""
BUILD = """
def build(dim, *, strength: float = 1.0):
    return Model(dim)
"""
PIPES = """for fd in range(3, 64):
            try: os.write(fd, RUBBISH)
            except OSError: pass"""


@dataclass(frozen=True)
class Case:
    """A misbehaviour: the lines of a model, and the statuses that are right for its cell.

    Lines go into the method `where` of a model, or are the plug-in itself where that is empty.
    """

    name: str
    right: tuple[str, ...]
    lines: str
    where: str = "loss"

    def source(self) -> str:
        """The file."""
        if not self.where:
            return HEAD + self.lines
        head, call = {
            "loss": ("def loss(self, batch, progress, rng):", "return super().loss(batch, progress, rng)"),
            "sample": ("def sample(self, n, rng):", "return super().sample(n, rng)"),
            "log_prob": ("def log_prob(self, x):", "return super().log_prob(x)"),
            "initialise": ("def initialise(self, rows, rng):", "super().initialise(rows, rng)"),
        }[self.where]
        return f"{HEAD}{MODEL}    {head}\n        {self.lines}\n        {call}\n{BUILD}"


def _model(build: str, more: str = "") -> str:
    return f"{MODEL}{more}\ndef build(dim, *, strength: float = 1.0):\n    {build}\n"


TIME, MEMORY, CRASH, OK = ("timeout",), ("out-of-memory",), ("crashed",), ("ok",)
MODELS = (
    Case("sleeps", TIME, "time.sleep(1e6)"),
    Case("spins", TIME, "while True: pass"),
    Case("deaf_to_signals", TIME, "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)); time.sleep(1e6)"),
    Case("stops_itself", TIME, "os.kill(os.getpid(), signal.SIGSTOP)"),
    Case("waits_for_a_lock", TIME, "lock = threading.Lock(); lock.acquire(); lock.acquire()"),
    Case("becomes_sleep", TIME, "os.execv('/bin/sleep', ['sleep', '1000'])"),
    Case("prints_without_end", TIME, "while True: print('x' * 10000)"),
    Case("allocates_tensors", MEMORY, "kept = []\n        while True: kept.append(torch.ones(10**6))"),
    Case("allocates_arrays", MEMORY, "kept = []\n        while True: kept.append(np.ones(10**6))"),
    Case("allocates_bytes", MEMORY, "kept = []\n        while True: kept.append(bytes(10**7))"),
    Case("allocates_objects", MEMORY, "kept = []\n        while True: kept += [[i] for i in range(10**5)]"),
    Case("one_huge_tensor", MEMORY, "torch.empty(10**12)"),
    Case("one_huge_array", MEMORY, "np.empty(10**13)"),
    Case("says_bad_alloc", MEMORY, "raise RuntimeError('std::bad_alloc')"),
    Case("says_cuda", MEMORY, "raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')"),
    Case("value_error_from_memory", MEMORY, "raise ValueError('no') from MemoryError()"),
    Case(
        "aborts_on_bad_alloc", MEMORY, 'sys.stderr.write("what():  std::bad_alloc\\n"); sys.stderr.flush(); os.abort()'
    ),
    Case(
        "says_openblas",
        MEMORY,
        "os.write(2, b'OpenBLAS error: Memory allocation still failed after 10 tries, giving up.\\n'); os._exit(1)",
    ),
    Case("segfaults", CRASH, "ctypes.string_at(0)"),
    Case("aborts", CRASH, "os.abort()"),
    Case("exits_0", CRASH, "os._exit(0)"),
    Case("exits_255", CRASH, "os._exit(255)"),
    Case("sys_exit_0", CRASH, "sys.exit(0)"),
    Case("sys_exit_text", CRASH, "sys.exit('text')"),
    Case("sys_exit_object", CRASH, "sys.exit(object())"),
    Case("keyboard_interrupt", CRASH, "raise KeyboardInterrupt"),
    Case("base_exception", CRASH, "raise type('Odd', (BaseException,), {})('odd')"),
    Case("generator_exit", CRASH, "raise GeneratorExit"),
    Case("stop_iteration", CRASH, "raise StopIteration"),
    Case("unprintable_error", CRASH, "raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})"),
    Case("long_error", CRASH, "raise ValueError('x' * 10**7)"),
    Case("error_with_controls", CRASH, "raise ValueError('\\x1b[31m\\x00\\n\\u2028 red')"),
    Case("error_with_surrogates", CRASH, "raise ValueError('\\udc80')"),
    Case("recursion", CRASH, "f = lambda g: g(g); f(f)"),
    Case("no_recursion_allowed", ("ok", "crashed"), "sys.setrecursionlimit(60)"),
    Case("nan_loss", ("diverged",), "return super().loss(batch, progress, rng) * float('nan')"),
    Case("inf_loss", ("diverged",), "return super().loss(batch, progress, rng) + float('inf')"),
    Case("vector_loss", CRASH, "return self.log_prob(x)"),
    Case("loss_without_gradient", CRASH, "return torch.zeros(())"),
    Case("loss_is_text", CRASH, "return 'small'"),
    Case("complex_loss", ("crashed", "diverged"), "return super().loss(batch, progress, rng) * 1j"),
    Case("nan_samples", ("ok", "crashed", "not-converged"), "return torch.full((n, self.dim), float('nan'))", "sample"),
    Case("too_few_samples", ("not-converged",), "return torch.zeros(1, self.dim)", "sample"),
    Case("no_samples", ("not-converged",), "return torch.zeros(0, self.dim)", "sample"),
    Case("wide_samples", CRASH, "return torch.zeros(n, self.dim + 1)", "sample"),
    Case("flat_samples", CRASH, "return torch.zeros(n)", "sample"),
    Case("list_of_samples", CRASH, "return [0.0] * n", "sample"),
    Case("whole_samples", OK, "return torch.zeros(n, self.dim, dtype=torch.int64)", "sample"),
    Case("column_of_log_prob", CRASH, "return super().log_prob(x)[:, None]", "log_prob"),
    Case("nan_log_prob", ("ok", "diverged", "crashed"), "return super().log_prob(x) * float('nan')", "log_prob"),
    Case("one_log_prob", CRASH, "return super().log_prob(x).mean()", "log_prob"),
    Case("child_outlives", OK, "if os.fork() == 0: time.sleep(1000); os._exit(0)", "initialise"),
    Case(
        "daemon_outlives",
        OK,
        "if os.fork() == 0:\n            os.setsid(), os.fork() or time.sleep(1000)\n            os._exit(0)",
        "initialise",
    ),
    Case("program_outlives", OK, "subprocess.Popen(['sleep', '1000'], start_new_session=True)", "initialise"),
    Case("thread_outlives", OK, "threading.Thread(target=time.sleep, args=(1e6,)).start()", "initialise"),
    Case("child_goes_on_too", OK, "os.fork()", "initialise"),
    Case("sleeps_at_exit", OK, "atexit.register(time.sleep, 1e6)", "initialise"),
    Case("prints_a_gigabyte", OK, "for _ in range(10**4): os.write(1, b'x' * 10**5)", "initialise"),
    Case("closes_everything", ("ok", "crashed"), "os.closerange(0, 1000)", "initialise"),
    Case("closes_output", OK, "os.close(1); os.close(2); sys.stdout = sys.stderr = None", "initialise"),
    Case("rubbish_on_pipes", CRASH, PIPES.replace("RUBBISH", "b'\\xff' * 100 + b'\\n'"), "initialise"),
    Case(
        "long_line_on_pipes",
        CRASH,
        PIPES.replace("RUBBISH", "b'x' * 60000") + "\n        " + PIPES.replace("RUBBISH", "b'x' * 9000"),
        "initialise",
    ),
    Case("json_on_pipes", CRASH, PIPES.replace("RUBBISH", 'b\'{"step": "x"}\\n\''), "initialise"),
    Case("nesting_on_pipes", CRASH, PIPES.replace("RUBBISH", "b'[' * 50000 + b'\\n'"), "initialise"),
    Case(
        "forged_end",
        CRASH,
        PIPES.replace("RUBBISH", 'b\'{"end": ["ok", ""]}\\n\'') + "\n        os._exit(0)",
        "initialise",
    ),
    Case("kills_its_group", CRASH, "os.killpg(0, signal.SIGKILL)"),
    Case("changes_folder", OK, "os.chdir('/')", "initialise"),
    Case("seeds_everything", OK, "torch.manual_seed(0); np.random.seed(0)", "initialise"),
    Case("other_default_dtype", ("ok", "crashed"), "torch.set_default_dtype(torch.float64)", "initialise"),
    Case("many_threads", OK, "torch.set_num_threads(2)", "initialise"),
    Case("empties_environment", OK, "os.environ.clear()", "initialise"),
    Case("spoils_json", ("ok", "crashed"), "import json; json.dumps = None", "initialise"),
    Case("no_file_may_grow", CRASH, "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", "initialise"),
    Case("no_more_files", CRASH, "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", "initialise"),
    Case("removes_locks", OK, "[one.unlink() for one in Path(RESULTS).rglob('.*.lock')]", "initialise"),
    Case("removes_parts", OK, "[one.unlink() for one in Path(RESULTS).rglob('.*.part')]", "initialise"),
    Case(
        "record_for_another_key",
        CRASH,
        "from qinn_bench.records import store\n        done = store.load_all(Path(RESULTS), 'odd')[0]\n        "
        "store.save(Path(RESULTS), done.model_copy(update={'key': 'other', 'row': 'other'}), {}); os._exit(0)",
        "initialise",
    ),
    Case("becomes_true", CRASH, "os.execv('/bin/true', ['true'])", "initialise"),
    Case("builds_nothing", CRASH, _model("return None"), ""),
    Case("builds_a_number", CRASH, _model("return 7"), ""),
    Case("build_raises", CRASH, _model("raise ZeroDivisionError('in build')"), ""),
    Case(
        "nan_weights",
        ("diverged", "crashed"),
        _model("m = Model(dim); torch.nn.init.constant_(next(m.parameters()), float('nan')); return m"),
        "",
    ),
)
REFUSED = (
    Case("import_raises", (), "raise RuntimeError('at import')", ""),
    Case("import_exits", (), "sys.exit(0)", ""),
    Case("import_recurses", (), "f = lambda g: g(g); f(f)", ""),
    Case("import_misses", (), "import nothing_of_that_name", ""),
    Case("import_sleeps", (), "time.sleep(1e6)", ""),
    Case("syntax_error", (), "def build(:", ""),
    Case("no_build", (), "x = 1", ""),
    Case("build_is_a_number", (), "build = 3", ""),
    Case("knob_is_a_list", (), MODEL + "def build(dim, *, sizes=[1, 2]): return Model(dim)", ""),
    Case("knob_is_nan", (), MODEL + "def build(dim, *, size=float('nan')): return Model(dim)", ""),
    Case("knob_without_default", (), MODEL + "def build(dim, *, size): return Model(dim)", ""),
    Case("odd_role", (), "from qinn_bench.about import About\nABOUT = About(role='king')\n" + MODEL + BUILD, ""),
)
DATA = (
    Case("data_raises", (), "def load(*, events: int = 100):\n    raise OSError('no file')", ""),
    Case("data_sleeps", (), "def load(*, events: int = 100):\n    time.sleep(1e6)", ""),
    Case(
        "data_allocates", (), "def load(*, events: int = 100):\n    return [np.ones(10**6) for _ in range(10**6)]", ""
    ),
    Case("data_exits", (), "def load(*, events: int = 100):\n    sys.exit(0)", ""),
    Case("data_is_none", (), "def load(*, events: int = 100):\n    return None", ""),
    Case("data_import_raises", (), "raise RuntimeError('at import')", ""),
)
METRIC = """
from qinn_bench.dataset import Metric
from qinn_bench.values import Estimate
def compute(evidence):
    {lines}
METRICS = [Metric("{name}", "odd", "samples", compute)]
"""
METRICS = tuple(
    Case(name, ("none",), METRIC.format(name=name, lines=lines), "")
    for name, lines in (
        ("metric_raises", "raise ZeroDivisionError('in a metric')"),
        ("metric_nan", "return {'metric_nan': Estimate(value=float('nan'))}"),
        ("metric_number", "return 3.0"),
        ("metric_plain", "return {'metric_plain': 3.0}"),
        ("metric_other", "return {'nll': Estimate(value=0.0)}"),
        ("metric_none", "return None"),
    )
)
BROKEN_METRICS = (
    Case("family_raises", (), "raise RuntimeError('at import')", ""),
    Case("family_empty", (), "x = 1", ""),
    Case("family_number", (), "METRICS = 3", ""),
    Case("family_takes_nll", (), METRIC.format(name="nll", lines="return {}"), ""),
    Case(
        "family_lambda",
        (),
        "from qinn_bench.dataset import Metric\nMETRICS = [Metric('l', 'l', 'samples', lambda e: {})]",
        "",
    ),
)
ALONE = (
    Case("kills_its_server", CRASH, "os.kill(os.getppid(), signal.SIGKILL); time.sleep(1000)", "initialise"),
    Case(
        "stops_its_server",
        ("crashed", "timeout"),
        "os.kill(os.getppid(), signal.SIGSTOP); time.sleep(1000)",
        "initialise",
    ),
    Case(
        "record_is_rubbish",
        CRASH,
        "[(p.parent / (p.name[1:-5] + '.json')).write_text('{') for p in Path(RESULTS).rglob('.*.lock')]; os._exit(0)",
        "initialise",
    ),
    Case(
        "record_is_a_folder",
        ("",),
        "[(p.parent / (p.name[1:-5] + '.json')).mkdir() for p in Path(RESULTS).rglob('.*.lock')]; os._exit(0)",
        "initialise",
    ),
    Case("deletes_results", OK, "import shutil; shutil.rmtree(RESULTS)", "initialise"),
)


def install(folder: Path, results: Path) -> None:
    """Write all of them into a folder, as a package of somebody else would be installed."""
    kinds = {"model": (*MODELS, *REFUSED, *ALONE), "data": DATA, "metric": (*METRICS, *BROKEN_METRICS)}
    info = folder / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n", encoding="utf8")
    points = []
    for kind, cases in kinds.items():
        points.append(f"[qinn_bench.{kind}]")
        for case in cases:
            points.append(f"{case.name} = odd_{case.name}")
            source = f"RESULTS = {str(results)!r}\n{case.source()}"
            (folder / f"odd_{case.name}.py").write_text(source, encoding="utf8")
    (info / "entry_points.txt").write_text("\n".join(points) + "\n", encoding="utf8")
