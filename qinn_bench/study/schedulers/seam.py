"""What a scheduler is: something that runs cells somewhere, each in a process of its own, and tells what happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from qinn_bench.limits import Limits
from qinn_bench.study import campaign
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.order import Order


class Scheduler(Protocol):
    """Runs cells; whatever happens to one, the others go on, and a record says why."""

    def cells_at_once(self, limits: Limits) -> int:
        """How many cells run at once, as far as is known now."""

    def execute(self, orders: Sequence[Order], limits: Limits, show: Callable[[CellEvent], None]) -> None:
        """Run cells, and `show` what happens to each; at its end its record lies in the folder of results.

        Raises:
            Refused: nothing can be written there, or no worker can be started.
        """


class OnThisMachine:
    """The processes of this machine."""

    def cells_at_once(self, limits: Limits) -> int:
        """As many as the limits allow."""
        return limits.workers

    def execute(self, orders: Sequence[Order], limits: Limits, show: Callable[[CellEvent], None]) -> None:
        """Run cells in processes of this machine (`campaign.execute`)."""
        campaign.execute(orders, limits, show)
