"""How much longer something takes, from what is done and from how fast it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from qinn_bench.study.costs import Costs
from qinn_bench.study.order import Order
from qinn_bench.values import Record

Now = Callable[[], float]


class TimeLeft:
    """The time that the cells of a campaign still take.

    A cell is expected to take as long as finished ones like it (`Costs.of`); how much faster or slower this campaign is
    than that, with so many cells at once, is measured. `known` are records of earlier runs.
    """

    def __init__(
        self, todo: Sequence[Order], workers: int, known: Iterable[Record] = (), clock: Now = time.monotonic
    ) -> None:
        self.waiting = {order.key: order for order in todo}
        self.workers, self.clock, self.begun = max(1, workers), clock, clock()
        self.started: dict[str, float] = {}
        self.costs = Costs(known)
        self.expected = self.spent = 0.0

    def start(self, order: Order) -> None:
        """A cell has begun."""
        self.started.setdefault(order.key, self.clock())

    def finish(self, order: Order, record: Record) -> None:
        """A cell has ended; its cost counts for those like it."""
        expected = self._expected(order)
        self.waiting.pop(order.key, None)
        took = self.clock() - self.started.pop(order.key, self.clock())
        if expected is not None:
            self.expected, self.spent = self.expected + expected, self.spent + took
        self.costs.learn(record)

    def seconds(self) -> float | None:
        """How long all that are left take, at least as long as the longest of them; None where nothing is known yet."""
        expected = [self._expected(order) for order in self.waiting.values()]
        if any(one is None for one in expected):
            return None
        now, pace = self.clock(), self.spent / self.expected if self.expected else 1.0
        left = [
            max(0.0, pace * (one or 0.0) - (now - self.started.get(key, now)))
            for key, one in zip(self.waiting, expected, strict=True)
        ]
        return max(sum(left) / min(self.workers, max(1, len(left))), *left, 0.0)

    def _expected(self, order: Order) -> float | None:
        return 0.0 if order.skip else self.costs.of(order.row, order.cell).seconds


class Pace:
    """The time that equal pieces of work still take, at the pace of those that are done."""

    def __init__(self, total: int, clock: Now = time.monotonic) -> None:
        self.total, self.done, self.clock, self.begun = total, 0, clock, clock()

    def step(self) -> str:
        """One more is done: how many are, and how long the rest takes, such as ``[3/90] about 2 min left``."""
        self.done += 1
        left = (self.clock() - self.begun) / self.done * (self.total - self.done)
        return f"[{self.done}/{self.total}] {said(left)}".rstrip()


def said(seconds: float | None) -> str:
    """A time in words that does not pretend to be exact; empty where there is none.

    Example:
        >>> said(754.0), said(12.3), said(8000.0)
        ('about 13 min left', 'about 12 s left', 'about 2.2 h left')
    """
    return "" if seconds is None or seconds <= 0 else f"{lasting(seconds)} left"


def lasting(seconds: float) -> str:
    """A time in words that does not pretend to be exact.

    Example:
        >>> lasting(754.0), lasting(200_000.0)
        ('about 13 min', 'about 56 h')
    """
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h" if seconds < 36_000 else f"about {seconds / 3600:.0f} h"
