"""The check on a machine with an NVIDIA card: laws on the device, then times beside the CPU, within a budget of time.

Results are written after every point, so that an end at any moment loses nothing; with ``--more FILE`` a run goes on
from what another has found. With ``--device cpu`` the CPU stands in for the card, to try the check itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

# Libraries that are loaded from here on read these; JAX leaves memory of the card to torch.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
os.environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.4"}

from _forecasts import JAX_SHARE, bytes_of_step, room, seconds_of_step
from _found import Found, read
from _laws import LAWS, Law, within
from _notes import NOT_REACHED
from _page import around, publish
from _places import (
    BATCHES,
    LOSS_SECONDS,
    NATIVE,
    NATIVE_ALL,
    QUBITS,
    Device,
    Place,
    Rival,
    Tried,
    all_places,
    places,
    row_of,
    tiers,
    wished_first,
)

from qinn_bench import limits
from qinn_bench.performance.order_server import Ended, Server
from qinn_bench.performance.scaling.scan import environment
from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.performance.timing import Timing
from qinn_bench.values import Refused

HERE = Path(__file__).parent
LAW_SECONDS, TRY_SECONDS, WRITE_SECONDS = 150.0, 45.0, 3.0
"""Wall seconds that one kind of laws, two steps, and the last writing may take."""
ENDS = 2
"""Times that a simulator may end its process, or not come to an end, before it is left out."""
AGREED = 1e-3
"""Relative difference of the losses of two simulators at one point that single precision explains."""


class Check:
    """One run: what was found so far, what time is left, and the process that works on the device."""

    def __init__(self, options: argparse.Namespace, kept: Found | None = None) -> None:
        self.options, self.started = options, time.monotonic()
        self.found = kept or Found()
        self.losses: dict[Place, dict[str, float]] = {}
        options.out.mkdir(parents=True, exist_ok=True)
        # Through a shell, so that a process that fails to start leaves its words in the log.
        words = [sys.executable, str(HERE / "_worker.py"), options.device, str(options.out / "gpu.log")]
        self.worker = Server(["sh", "-c", 'exec "$@" 2>>"$LOG"', "sh", *words], {"LOG": words[-1]})
        self.facts = environment() | {"device": options.device, "load_at_start": os.getloadavg()[0]}
        del self.facts["finished_utc"]
        if options.commit:
            self.facts["commit"] = options.commit
        self.card, self.jax_holds = 0, False

    @property
    def left(self) -> float:
        """Seconds until the budget is used up, what it takes to write apart."""
        return float(self.options.budget_total - WRITE_SECONDS - (time.monotonic() - self.started))

    def run(self) -> int:
        """Everything in turn; 1 if a law does not hold, 2 if there is no such device, 130 if interrupted."""
        try:
            found = self.worker.ask({"facts": True}, 120.0) or {"absent": "the device gave no answer within 120 s"}
            if "absent" in found:
                sys.stderr.write(f"{found['absent']}; to try the check itself: --device cpu\n")
                return 2
            if other := next((run for run in self.found.runs if run.get("gpu") != found["gpu"]), None):
                card, first = found["gpu"] or "no GPU", other.get("gpu") or "no GPU"
                sys.stderr.write(
                    f"{self.options.more} was measured on {first}, and this is {card}; the same is needed\n"
                )
                return 2
            self.facts |= found
            self.found.runs.append(self.facts)
            self.card = int(found.get("gpu_memory_bytes", 0))
            if not self.options.without_laws:
                self._hold_laws()
            self._measure()
        except Ended:
            log = self.options.out / "gpu.log"
            said = log.read_text(encoding="utf8", errors="replace")[-2000:]
            sys.stderr.write(f"{said}\nthe process on the device ended at once; its words are in {log}\n")
            return 2
        except KeyboardInterrupt:
            sys.stderr.write(f"interrupted; what was found is in {self.options.out}\n")
            return 130
        finally:
            self.worker.end()
        self._agree()
        self.write()
        return int(any(law.status == "failed" for law in self.found.laws))

    def _hold_laws(self) -> None:
        kept = {law.kind for law in self.found.laws}
        for name in (name for name in LAWS if name not in kept):
            allowed = min(LAW_SECONDS, self.left)
            try:
                answer = self.worker.ask({"law": name}, allowed) if allowed > 1 else None
                told = [Law(**law) for law in answer["laws"]] if answer else []
                said = f"not done within {max(allowed, 0):.0f} s"
            except Ended:
                told, said = [], "the process on the device ended"
            for law in told or [Law(name, "failed", reason=said)]:
                self.found.laws.append(law._replace(kind=name))
                _say(f"{law.status}: {law.name} {'' if law.value is None else f'{law.value:.1e}'} {law.reason}")
            self.write()

    def _measure(self) -> None:
        todo = self._points()
        waiting: list[tuple[Rival, Tried]] = []
        for k, (place, rival) in enumerate(todo):
            tried = self._held_back(rival, place) or self._tried(rival, place)
            if tried.status == "ok":
                waiting.append((rival, tried))
            else:
                self._keep(row_of(rival, place, tried))
            if k + 1 == len(todo) or todo[k + 1][0] != place:
                for row in self._timed(place, waiting):
                    self._keep(row)
                if waiting:
                    self._reference(place)
                waiting = []
                self.write()

    def _points(self) -> list[tuple[Place, Rival]]:
        """What is measured, in its order: nothing that an earlier run has a time of, and then first what was missed."""
        options, found = self.options, self.found.rows
        points = list(all_places(places(options.qubits, options.batches), tiers(limits.cores())))
        known = {(Place(row.mode, row.n_qubits, row.batch), row.backend) for row in found}
        missing = [(place, rival) for place, rival in points if (place, rival.name) not in known]
        return wished_first(missing) if self.found.kept_rows else missing

    def _held_back(self, rival: Rival, place: Place) -> Tried | None:
        """Why a point is not run at all; None if it is."""
        rows = self.found.rows
        past = self._past(rival, place)
        known = [row for row in past if row.seconds]
        if lost := next((row for row in past if row.status == "unsupported"), None):
            return Tried(lost.status, lost.reason)
        ends = [row for row in rows if row.backend == rival.name and row.status in ("crashed", "timeout")]
        if len(ends) >= ENDS:
            return Tried("skipped", f"it ended badly {ENDS} times before: {ends[-1].reason}")
        if (first := max((row.first_seconds or 0 for row in known), default=0.0)) > self.left or self.left < 1:
            short = "were used up" if self.left < 1 else f"leave no {first:.0f} s for it"
            return Tried("skipped", f"the {self.options.budget_total:g} s {NOT_REACHED} {short}")
        seconds, size = seconds_of_step(known, rival, place), bytes_of_step(known, rival, place)
        if self.card and rival.gpu and size > (most := room(rival, self.card)):
            return Tried("skipped", f"predicted {_gib(size)}, more than the allowed {_gib(most)} of the GPU")
        if seconds > self.options.step:
            return Tried("skipped", f"predicted {seconds:.2g} s a step, more than the allowed {self.options.step:g} s")
        return None

    def _make_room(self, rival: Rival, place: Place) -> None:
        """End the process on the device, which the next order starts again, where JAX keeps memory that torch needs."""
        known = [row for row in self._past(rival, place) if row.seconds]
        needed = bytes_of_step(known, rival, place) if rival.gpu and not rival.on_jax else 0.0
        if self.jax_holds and needed > (1 - JAX_SHARE) * self.card:
            self.worker.end()
            self.jax_holds = False

    def _past(self, rival: Rival, place: Place) -> list[ScanRow]:
        """The rows of a simulator in the mode of a place."""
        return [row for row in self.found.rows if (row.backend, row.mode) == (rival.name, place.mode)]

    def _tried(self, rival: Rival, place: Place) -> Tried:
        allowed = min(TRY_SECONDS, self.left)
        self._make_room(rival, place)
        self.jax_holds |= rival.gpu and rival.on_jax
        try:
            answer = self.worker.ask({"try": vars(rival), "place": place}, allowed)
        except Ended:
            return Tried("crashed", "its process ended")
        if answer is None:
            if allowed < TRY_SECONDS:
                return Tried(
                    "skipped", f"the {self.options.budget_total:g} s {NOT_REACHED} left {allowed:.0f} s for it"
                )
            return Tried("timeout", f"two steps did not end within {allowed:.0f} s")
        tried = Tried(**answer)
        if tried.loss is not None:
            self.losses.setdefault(place, {})[rival.name] = tried.loss
        return tried

    def _timed(self, place: Place, tried: Sequence[tuple[Rival, Tried]]) -> Iterator[ScanRow]:
        """The rows of those that ran: sampled in turns where a step is short enough, else as they were tried."""
        short = [rival for rival, one in tried if one.seconds <= self.options.step / 10]
        order = {"time": [vars(rival) for rival in short], "place": place, "seconds": self.options.sample}
        found: dict[str, Any] = {}
        if short and self.left > 5 * self.options.sample * len(short):
            try:
                found = self.worker.ask(order, min(self.left, 2 * TRY_SECONDS)) or {}
            except Ended:
                found = {}
        for rival, one in tried:
            timing = Timing(**found[rival.name]) if rival.name in found else None
            yield row_of(rival, place, one, timing)

    def _keep(self, row: ScanRow) -> None:
        self.found.rows.append(row)
        said = f"{1e3 * row.seconds:.3g} ms" if row.seconds else f"{row.status}: {row.reason}"
        _say(f"{self.left:4.0f} s left; {row.mode} at {row.n_qubits} / {row.batch}, {row.backend}: {said}")

    def _reference(self, place: Place) -> None:
        """The loss of native at a point where an earlier run has timed it, for the others to be compared with."""
        times = [row for row in self.found.rows if (row.mode, row.n_qubits, row.batch) == place and row.seconds]
        quick = {row.backend for row in times if (row.seconds or 0) < LOSS_SECONDS}
        if NATIVE not in self.losses.get(place, {}) and NATIVE_ALL in quick:
            rival = next(rival for tier in tiers(limits.cores()) for rival in tier if rival.name == NATIVE_ALL)
            self._tried(rival, place)

    def _agree(self) -> None:
        """Add the law that all simulators gave the same loss at each point."""
        apart, where = 0.0, ""
        for place, losses in self.losses.items():
            wanted = losses.get(NATIVE, losses.get(NATIVE_ALL))
            if wanted is not None:
                for name, loss in losses.items():
                    one = abs(loss - wanted) / (1 + abs(wanted))
                    if not one <= apart:
                        apart, where = one, f"{name}, {place.mode} at {place.n_qubits} / {place.batch}"
        if self.losses:
            self.found.laws.append(within(where, apart, AGREED)._replace(kind="losses of all timed points"))

    def write(self) -> None:
        """Write what there is now: ``gpu.json``, ``gpu.md`` and, if asked for, the page."""
        self.facts["load_at_end"] = os.getloadavg()[0]
        self.found.write(self.options.out / "gpu.json")
        publish(self.found, self.options.out, self.options.page)


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def _say(line: str) -> None:
    sys.stderr.write(line.rstrip() + "\n")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main(words: Sequence[str] | None = None) -> int:
    """Read what is asked for and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=get_args(Device), default="cuda", help="cpu: a dry run without a GPU")
    parser.add_argument("--budget-total", type=float, default=300.0, help="wall seconds of everything together")
    parser.add_argument("--sample", type=float, default=0.25, help="seconds to sample each simulator at each point")
    parser.add_argument("--step", type=float, default=3.0, help="seconds that a step may take; a tenth to be repeated")
    parser.add_argument("--qubits", type=_numbers, default=QUBITS, help="numbers with commas")
    parser.add_argument("--batches", type=lambda text: [_numbers(text)], default=BATCHES, help="numbers with commas")
    parser.add_argument("--without-laws", action="store_true", help="times only")
    parser.add_argument("--commit", help="the commit that is measured, where the source is no checkout")
    parser.add_argument("--out", type=Path, default=Path("results/engine"), help="folder of the results")
    parser.add_argument("--page", type=Path, help="put the tables between the marks of this Markdown file too")
    parser.add_argument("--from-json", type=Path, help="write the page of this finished run; nothing is measured")
    parser.add_argument("--more", type=Path, help="a gpu.json to go on from: what it has is kept, not done again")
    options = parser.parse_args(words)
    try:
        if options.page:
            around(options.page)
        if options.from_json:
            publish(read(options.from_json), options.out, options.page)
            return 0
        return Check(options, read(options.more).continued() if options.more else None).run()
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
