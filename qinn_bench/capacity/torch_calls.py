"""Every call of torch's operators, forwards and backwards, seen while a block runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

See = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None]
"""Is told the operator, its arguments by place and by name, and its result."""


class TorchCalls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells `see` of each call inside the block.

    Example:
        >>> import torch
        >>> names = []
        >>> with TorchCalls(lambda func, args, kwargs, result: names.append(func.overloadpacket.__name__)):
        ...     total = torch.ones(2) + 1
        >>> names
        ['ones', 'add']
    """

    def __init__(self, see: See) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.see = see

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **kwargs or {})
        self.see(func, args, kwargs or {}, result)
        return result


def tensors_of(result: Any) -> list[Tensor]:
    """The tensors that a call has given back."""
    return [one for one in (result if isinstance(result, tuple | list) else (result,)) if isinstance(one, Tensor)]
