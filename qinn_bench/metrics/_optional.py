"""Libraries that only some metrics need, which come with an extra of the package."""

from __future__ import annotations

import importlib
from typing import Any

EXTRA = "anomaly"


def library(module: str, package: str) -> Any:
    """A module, or why it cannot be had, in a sentence.

    Example:
        >>> library("no_such_module", "no-such-package")
        "no-such-package is not installed; it comes with pip install 'qinn-bench[anomaly]'"
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        return f"{package} is not installed; it comes with pip install 'qinn-bench[{EXTRA}]'"
