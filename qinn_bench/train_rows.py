"""A data set with fewer training rows: the knob ``train_events`` that every data set has."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from qinn_bench.dataset import Dataset
from qinn_bench.knob_types import TRAIN_EVENTS
from qinn_bench.values import Refused, Use


def apart(use: Use) -> tuple[Use, int]:
    """A data set with all its training rows, and how many of them a use asks for; 0 stands for all.

    Example:
        >>> apart(Use(name="moons", knobs={"events": 400, "train_events": 50}))[1]
        50
    """
    others = {knob: value for knob, value in use.knobs.items() if knob != TRAIN_EVENTS}
    return Use(name=use.name, knobs=others), int(use.knobs.get(TRAIN_EVENTS, 0))


def with_first(data: Dataset, events: int) -> Dataset:
    """The same with only the first so many training rows, their labels and conditions; with 0 as it is.

    Validation and test rows and the map to features stay, so that numbers are of the same rows whatever their number.
    The rows of a smaller number are among those of a larger one.

    Raises:
        Refused: there are not so many training rows, or a negative number.
    """
    if not events:
        return data
    if not 0 < events <= len(data.train):
        raise Refused(f"data '{data.name}': {events} training events were asked for; 1 to {len(data.train)} are there")
    fingerprint = hashlib.sha256(f"{data.fingerprint} first {events} training rows".encode()).hexdigest()
    labels, conditions = (
        parts and parts._replace(train=parts.train[:events]) for parts in (data.labels, data.conditions)
    )
    return replace(data, train=data.train[:events], fingerprint=fingerprint, labels=labels, conditions=conditions)
