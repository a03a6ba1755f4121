"""What is known of a cell? Its key, its record, and what was published of it.

The room is a verb too: called, as ``qinn_bench.records("quick")``, it is `qinn_bench.api.records`.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class Room(ModuleType):
    """The package, which a call turns into the verb of its name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The records of a study as a frame: `qinn_bench.api.records`."""
        return importlib.import_module("qinn_bench.api").records(*arguments, **options)


sys.modules[__name__].__class__ = Room
