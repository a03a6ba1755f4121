"""Where the cells of a run go: this machine, a running Dask scheduler, or jobs of a batch system."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from rich.console import Console

from qinn_bench.study.run_study import HERE
from qinn_bench.values import Refused

if TYPE_CHECKING:
    from qinn_bench.study.schedulers.seam import Scheduler

EXTRA = "pip install 'qinn-bench[clusters]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A scheduler by its address, or a batch system with the settings of jobs."""
    group = parser.add_argument_group("clusters", "docs/clusters.md; limits hold for each cell, wherever it runs")
    words = "run cells on the workers of this Dask scheduler, such as tcp://127.0.0.1:8786 or tls://host:8786"
    group.add_argument("--scheduler", metavar="ADDRESS", default="", help=words)
    group.add_argument("--cluster", metavar="SYSTEM", default="", help="submit workers as jobs: slurm or htcondor")
    group.add_argument("--cluster-config", type=Path, metavar="FILE", help="what each job asks for (TOML)")
    group.add_argument("--dry-run", action="store_true", help="print the job script and submit and run nothing")


def dry_run(options: argparse.Namespace) -> bool:
    """Print the script of jobs, if that is what is asked for.

    Raises:
        Refused: no batch system is named, or its settings are wrong.
    """
    if not options.dry_run:
        return False
    if not options.cluster:
        raise Refused("--dry-run prints the script of jobs; --cluster and --cluster-config were expected with it")
    jobs, system = _jobs(), _system(options)
    print(jobs.job_script(system, jobs.read_settings(options.cluster_config, system)), end="")
    return True


@contextmanager
def scheduler_of(options: argparse.Namespace, log: Console) -> Iterator[Scheduler]:
    """What runs the cells, until all is done; jobs that were submitted end with it.

    Raises:
        Refused: nobody answers at the address, no jobs can be submitted, or Dask is not installed.
    """
    if options.scheduler and options.cluster:
        raise Refused("--scheduler and --cluster both say where cells run; one of them was expected")
    if not (options.scheduler or options.cluster):
        yield HERE
        return
    if options.cluster:
        jobs, system = _jobs(), _system(options)
        cluster = jobs.JobQueue(system, jobs.read_settings(options.cluster_config, system))
    else:
        cluster = _imported("dask_cluster").DaskScheduler(options.scheduler)
    if cluster.note:
        log.print(cluster.note, markup=False, soft_wrap=True)
    try:
        yield cluster
    finally:
        cluster.close()


def _system(options: argparse.Namespace) -> str:
    if options.cluster_config is None:
        raise Refused(f"--cluster {options.cluster} needs --cluster-config FILE, which says what each job asks for")
    return str(_jobs().batch_system(options.cluster))


def _jobs() -> ModuleType:
    return _imported("job_queue")


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"qinn_bench.study.schedulers.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("qinn_bench"):
            raise
        raise Refused(f"clusters need {error.name}, which is not installed; to install it: {EXTRA}") from None
