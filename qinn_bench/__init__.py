"""qinn-bench: at equal capacity, is a quantum model better than a classical one?

``import qinn_bench as qb`` loads nothing until one of its verbs is used: `qb.run`, `qb.records`, `qb.table`,
`qb.figure`, `qb.claims` and `qb.compare` are those of `qinn_bench.api`, and `qb.Refused` is what they raise.
"""

import importlib

__version__ = "0.1.0"
TYPE_CHECKING = False
if TYPE_CHECKING:
    from qinn_bench.api import claims as claims
    from qinn_bench.api import compare as compare
    from qinn_bench.api import figure as figure
    from qinn_bench.api import records as records
    from qinn_bench.api import run as run
    from qinn_bench.api import table as table
    from qinn_bench.values import Refused as Refused

HOMES = {
    **dict.fromkeys(("claims", "compare", "figure", "run", "table"), "qinn_bench.api"),
    "Refused": "qinn_bench.values",
}
"""Where the public names are defined; they are imported when they are first used."""
ROOM = "records"
"""A room that is a verb too: `qinn_bench.records` is a package, and can be called (`records.Room`)."""
VERBS = frozenset({*HOMES, ROOM})


def __getattr__(name: str) -> object:
    if name == ROOM:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in HOMES:
        raise AttributeError(
            f"module '{__name__}' has no attribute '{name}'; its verbs are: {', '.join(sorted(VERBS))}"
        )
    return getattr(importlib.import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *VERBS})
