"""The process that works on the device: it answers orders, a line of JSON each; whatever it prints goes into a log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from _laws import LAWS, Law
from _places import Bench, Device, Place, Rival, card_bytes

from qinn_bench import limits
from qinn_bench.performance import answering


def serve(device: Device, log: Path) -> None:
    """Answer orders until there are no more."""
    answers = os.dup(1)
    with log.open("ab") as file:
        for printed in (1, 2):
            os.dup2(file.fileno(), printed)
    bench = Bench(device)
    answering.serve(sys.stdin, answers, lambda order: answer(order, device, bench))


def answer(order: dict[str, Any], device: Device, bench: Bench) -> dict[str, Any]:
    """What an order asks for: facts, the laws of one kind, two steps of a rival, or times of several."""
    if "law" in order:
        return {"laws": [law._asdict() for law in _laws(order["law"], device)]}
    if "facts" in order:
        return facts(device)
    place = Place(*order["place"])
    if "try" in order:
        return bench.tried(Rival(**order["try"]), place)._asdict()
    try:
        found = bench.timed([Rival(**one) for one in order["time"]], place, order["seconds"])
    except Exception as error:
        return {"error": limits.sentence(error)}
    return {name: timing._asdict() for name, timing in found.items()}


def _laws(name: str, device: Device) -> list[Law]:
    found: list[Law] = []
    try:
        found.extend(LAWS[name](device))
    except Exception as error:
        found.append(Law(name, "failed", reason=limits.sentence(error)))
    return found


def facts(device: Device) -> dict[str, Any]:
    """The card, its driver and memory, and CUDA as torch has it; no name without one."""
    if device != "cuda":
        return {"gpu": ""}
    if not torch.cuda.is_available():
        return {"absent": "torch finds no CUDA device"}
    major, minor = torch.cuda.get_device_capability()
    return {
        "gpu": torch.cuda.get_device_name(),
        "gpu_memory_bytes": card_bytes(device),
        "capability": f"{major}.{minor}",
        "cuda": str(torch.version.cuda),
        "driver": _driver(),
    }


def _driver() -> str:
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))  # type: ignore[arg-type]
