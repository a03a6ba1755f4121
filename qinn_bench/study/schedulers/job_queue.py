"""Workers as jobs of a batch system, SLURM or HTCondor, started through dask-jobqueue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import dask_jobqueue
import distributed
from pydantic import Field

from qinn_bench.reading import parse, read_toml
from qinn_bench.study.schedulers.dask_cluster import DaskScheduler
from qinn_bench.values import Positive, Refused, Value

BatchSystem = Literal["slurm", "htcondor"]
CLASSES = {"slurm": "SLURMCluster", "htcondor": "HTCondorCluster"}
PATIENCE_S = 600
"""Seconds after which a job ends that cannot reach the campaign."""
ONLY = {"slurm": ("queue", "account", "walltime", "prologue"), "htcondor": ("disk",)}
"""Settings that only one of them has."""
ScriptLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=1000)]
"""One line of a job script: a line break would begin another."""
JobWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./:@+-]*$", max_length=200)]


class JobSettings(Value):
    """What each job asks the batch system for, and how many jobs there are: the content of a ``--cluster-config`` file.

    `cores` of a job are shared by `processes` workers, each of which runs cores / processes cells at once, and so is
    its `memory`, such as ``"8 GB"``. `interface` is the network that workers reach the campaign through; `python` the
    interpreter on their machines, if it is another. `directives` are further lines for the batch system (without their
    ``#SBATCH``; ``key = value`` for HTCondor), `prologue` lines of shell before the worker starts (SLURM). With `tls`
    the way between them is encrypted, by certificates in `shared_folder` that live as long as the campaign.
    """

    jobs: Positive
    cores: Positive
    memory: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$")]
    processes: Positive = 1
    disk: Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)? ?[KMGT]i?B)?$")] = ""
    queue: JobWord = ""
    account: JobWord = ""
    walltime: Annotated[str, Field(pattern=r"^[0-9:-]*$")] = ""
    interface: JobWord = ""
    python: JobWord = ""
    log_folder: JobWord = ""
    shared_folder: JobWord = ""
    directives: tuple[ScriptLine, ...] = ()
    prologue: tuple[ScriptLine, ...] = ()
    tls: bool = True


def read_settings(path: Path, system: BatchSystem) -> JobSettings:
    """The settings of jobs in a TOML file.

    Raises:
        Refused: no such file, a key that is wrong, or one that this batch system does not have or lacks.
    """
    settings = parse(JobSettings, read_toml(path, f"there is no file '{path}' of settings for jobs"), str(path))
    given = {name for name in JobSettings.model_fields if getattr(settings, name)}
    for other, names in ONLY.items():
        if other != system and (wrong := sorted(given & set(names))):
            raise Refused(f"{path}: {wrong[0]} is a setting of {other}; with {system} it was not expected")
    if system == "htcondor" and not settings.disk:
        raise Refused(f'{path}: disk is missing, which htcondor asks for; a size such as "4 GB" was expected')
    if settings.cores % settings.processes:
        raise Refused(
            f"{path}: {settings.cores} cores are no multiple of {settings.processes} processes; one was expected"
        )
    return settings


def batch_system(name: str) -> BatchSystem:
    """The batch system of a name.

    Raises:
        Refused: there is none.
    """
    if name not in CLASSES:
        raise Refused(f"no batch system is called '{name}'; there are: {', '.join(get_args(BatchSystem))}")
    return name  # type: ignore[return-value]


def job_script(system: BatchSystem, settings: JobSettings) -> str:
    """The script that each job is submitted with; nothing is submitted."""
    with _cluster(system, settings, dry=True) as cluster:
        return str(cluster.job_script()).rstrip() + "\n"


class JobQueue(DaskScheduler):
    """A Dask cluster whose workers are jobs, which end with the campaign."""

    def __init__(self, system: BatchSystem, settings: JobSettings) -> None:
        """Submit the jobs.

        Raises:
            Refused: the batch system is not here, or does not take them.
        """
        try:
            self.cluster = _cluster(system, settings)
            self.cluster.scale(jobs=settings.jobs)
            super().__init__(client=distributed.Client(self.cluster, set_as_default=False))
        except (OSError, RuntimeError, ValueError, ImportError) as error:
            raise Refused(f"no jobs of {system} can be submitted: {error}") from None

    def close(self) -> None:
        """End the jobs."""
        super().close()
        self.cluster.close()


def _cluster(system: BatchSystem, settings: JobSettings, *, dry: bool = False) -> Any:
    """A cluster without jobs; a `dry` one waits at this machine alone, and needs no certificates."""
    asked: dict[str, Any] = {
        "cores": settings.cores,
        "memory": settings.memory,
        "processes": settings.processes,
        "job_extra_directives": list(settings.directives),
        "death_timeout": PATIENCE_S,
    }
    names = {"queue": "queue", "account": "account", "walltime": "walltime", "disk": "disk", "python": "python"}
    names |= {"log_folder": "log_directory", "shared_folder": "shared_temp_directory", "interface": "interface"}
    asked |= {theirs: value for ours, theirs in names.items() if (value := getattr(settings, ours))}
    if system == "htcondor":
        asked["job_extra_directives"] = dict(map(_key_and_value, settings.directives))
    elif settings.prologue:
        asked["job_script_prologue"] = list(settings.prologue)
    if dry:
        asked["scheduler_options"] = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    elif settings.tls:
        asked |= {"protocol": "tls://", "security": distributed.Security.temporary()}
    return getattr(dask_jobqueue, CLASSES[system])(**asked)


def _key_and_value(line: str) -> tuple[str, str]:
    """A line of HTCondor's submit description.

    Raises:
        Refused: it is none.
    """
    key, equals, value = line.partition("=")
    if not (equals and key.strip()):
        raise Refused(f"'{line}' is no line of HTCondor's submit description; one like 'key = value' was expected")
    return key.strip(), value.strip()
