"""One-class support vector machines on a kernel that is given: background is fitted once, and nothing is trained."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy

import torch
from sklearn.svm import OneClassSVM
from torch import Tensor

from qinn_bench.contracts import Batch, Scorer
from qinn_bench.values import Refused

TOLERANCE = 1e-9


class OneClass(Scorer):
    """Scores a row by how far it lies outside of some training rows: minus the decision function of the machine.

    A subclass states its `kernel`. The rows, their coefficients and the offset are buffers; rows that are no support
    vectors have the coefficient 0 (B. Schölkopf et al., Neural Computation 13, 1443 (2001)).

    Attributes:
        anchors: the random training rows that are fitted, ``(n, *shape)``.
        coefficients: what each counts, ``(n,)``.
        offset: what is taken from the score.

    Raises:
        Refused: a share of outliers that is not between 0 and 1, or fewer than two rows.

    Example:
        >>> class Products(OneClass):
        ...     def kernel(self, x, y):
        ...         return x @ y.T
        >>> machine = Products(2, rows=3, nu=0.5)
        >>> machine.initialise(Batch(torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])), torch.Generator())
        >>> low, high = machine.score(torch.tensor([[9.0, 0.0], [0.0, 0.0]])).tolist()
        >>> low < high
        True
    """

    anchors: Tensor
    coefficients: Tensor
    offset: Tensor

    def __init__(self, shape: int | tuple[int, ...], *, rows: int, nu: float) -> None:
        super().__init__(shape)
        if not 0 < nu <= 1 or rows < 2:
            raise Refused(
                f"a machine with nu = {nu:g} on {rows} rows was asked for; 0 < nu <= 1 and 2 rows are expected"
            )
        self.nu = nu
        self.register_buffer("anchors", torch.zeros(rows, *self.shape))
        self.register_buffer("coefficients", torch.zeros(rows))
        self.register_buffer("offset", torch.zeros(()))

    @abstractmethod
    def kernel(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of each row with each other, ``(n, *shape), (m, *shape) -> (n, m)``."""

    def prepare(self, rows: Tensor) -> None:
        """Set what the kernel needs to know of the fitted rows; a subclass may have nothing to set."""

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Fit as many random training rows as asked for, all where there are no more, in double precision."""
        places = torch.randperm(len(train.rows), generator=rng)[: len(self.anchors)].sort().values
        rows = train.rows[places.to(train.rows.device)]
        exact = deepcopy(self).double()
        exact.prepare(rows.double())
        gram = exact.kernel(rows.double(), rows.double()).cpu().numpy()
        machine = OneClassSVM(kernel="precomputed", nu=self.nu, tol=TOLERANCE).fit(gram)
        fitted = torch.zeros(len(self.anchors), dtype=torch.float64)
        fitted[torch.as_tensor(machine.support_).long()] = torch.as_tensor(machine.dual_coef_[0])
        exact.coefficients.copy_(fitted)
        exact.offset.copy_(torch.as_tensor(-machine.intercept_[0]))
        exact.anchors[: len(rows)] = rows.double()
        self.load_state_dict(exact.state_dict())

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Minus the decision function, ``(n, *shape) -> (n,)``; above 0 outside."""
        found: Tensor = self.offset - self.kernel(x, self.anchors) @ self.coefficients
        return found
