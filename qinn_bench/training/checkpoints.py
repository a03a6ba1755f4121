"""Where a long training stands, kept in a file so that one that was interrupted goes on bit for bit; no pickles."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qinn_bench.files import read_arrays
from qinn_bench.values import Refused
from qinn_bench.writing import write_whole

Arrays = dict[str, NDArray[Any]]
SECONDS = 30.0
"""Seconds of wall time between two checkpoints: what an interruption costs at most."""
LARGEST = 2**33
"""Bytes of unpacked arrays."""
TREE = "tree"
ARRAY, PAIRS = "array", "pairs"


@dataclass
class Checkpoint:
    """The file of one training.

    Attributes:
        path: where it lies; its name tells one cell from another.
        every: seconds between two of them.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoint = Checkpoint(Path(folder) / "cell.pt", every=0.0)
        ...     checkpoint.keep(lambda: {"step": 10})
        ...     state = checkpoint.load()
        ...     checkpoint.remove()
        >>> state
        {'step': 10}
    """

    path: Path
    every: float = SECONDS
    _kept: float = field(default_factory=time.monotonic)

    def load(self) -> Any:
        """The state that was kept last; None where there is none, where it is damaged or was made by another torch."""
        with suppress(Refused, OSError, ValueError, KeyError, TypeError):
            arrays = read_arrays(self.path, "", LARGEST)
            tree = json.loads(str(arrays[TREE]))
            if tree["made_by"] == _made_by():
                return _unpacked(tree["state"], arrays)
        return None

    def keep(self, state: Callable[[], Any]) -> None:
        """Write the state, whole or not at all, if it is time to; a disk that does not take it, or a state that
        has no form on disk, is no failure."""
        if time.monotonic() - self._kept < self.every:
            return
        arrays: Arrays = {}
        with suppress(OSError, TypeError):  # NumPy has not all types of torch.
            tree = {"made_by": _made_by(), "state": _packed(state(), arrays)}
            arrays[TREE] = np.array(json.dumps(tree))
            write_whole(self.path, lambda file: np.savez(file, allow_pickle=False, **arrays))
        self._kept = time.monotonic()

    def remove(self) -> None:
        """Remove the file; the training has ended."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _made_by() -> list[str]:
    """What has to be the same for the same bits."""
    return [torch.__version__, platform.machine(), str(torch.get_num_threads())]


def _packed(value: Any, arrays: Arrays) -> Any:
    """A state of dictionaries, lists, numbers and tensors as JSON, its tensors put into `arrays`.

    Example:
        >>> arrays = {}
        >>> _unpacked(_packed({0: [torch.ones(2), 0.5, None]}, arrays), arrays)
        {0: [tensor([1., 1.]), 0.5, None]}
    """
    if isinstance(value, Tensor):
        name = str(len(arrays))
        arrays[name] = value.detach().cpu().numpy()
        return {ARRAY: name}
    if isinstance(value, dict):
        return {PAIRS: [[key, _packed(part, arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(part, arrays) for part in value]
    return value


def _unpacked(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, list):
        return [_unpacked(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return torch.from_numpy(arrays[value[ARRAY]].copy())
    return {key: _unpacked(part, arrays) for key, part in value[PAIRS]}
