"""The side of a process that answers orders, a line of JSON each, by one line of JSON; the other is `order_server`.

Nothing of this project is imported here, nor a heavy library: a process may serve before it knows either.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Asked = dict[str, Any]
Said = Mapping[str, Any]


def private_output() -> int:
    """A descriptor for answers; what is printed from here on goes to standard error and does not mix with them."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def serve(orders: Iterable[str], answers: int, answer: Callable[[Asked], Said]) -> None:
    """Answer each order in this process, into the descriptor `answers`.

    Example:
        >>> reading, writing = os.pipe()
        >>> serve(['{"a": 1}'], writing, lambda order: {"b": order["a"] + 1})
        >>> os.read(reading, 100)
        b'{"b": 2}\\n'
    """
    for order in orders:
        _write(answers, answer(json.loads(order)))


def serve_from_forks(
    orders: Iterable[str], answers: int, answer: Callable[[Asked], Said], died: Callable[[Asked, int], Said]
) -> None:
    """Answer each order from a fork of this process; where that ends by itself, `died` answers, from its exit code."""
    for order in orders:
        asked = json.loads(order)
        if (child := os.fork()) == 0:
            try:
                _write(answers, answer(asked))
                os._exit(0)
            finally:
                os._exit(1)
        if status := os.waitpid(child, 0)[1]:
            _write(answers, died(asked, os.waitstatus_to_exitcode(status)))


def _write(answers: int, answer: Said) -> None:
    """The whole line, however little a pipe takes at once."""
    line = (json.dumps(answer) + "\n").encode()
    while line:
        line = line[os.write(answers, line) :]
