"""Boosted decision trees on labelled rows: what a search that knew its signal could reach with little effort."""

from __future__ import annotations

import torch
from sklearn.ensemble import GradientBoostingClassifier
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Scorer
from qinn_bench.values import Refused
from reference_models._parts.classifier import labels_of
from reference_models._parts.trees import Grown, Trees

ABOUT = About(
    citation="Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29 (2001) 1189",
    deviations=("each tree sees half of the rows, and each cut the square root of the number of features",),
    role="ceiling",
    tiny={"trees": 5, "depth": 2},
    rows=("flat", "image"),
    supervised=True,
)


class GradientBoosting(Scorer):
    """scikit-learn's boosted trees, fitted before training; their numbers are buffers.

    Example:
        >>> model = GradientBoosting((1,), trees=3, depth=1, rate=0.5)
        >>> rows = torch.arange(20.0)[:, None]
        >>> model.initialise(Batch(rows, labels=(rows[:, 0] > 9).float()), torch.Generator().manual_seed(0))
        >>> scores = model.score(torch.tensor([[1.0], [18.0]]))
        >>> bool(scores[0] < 0 < scores[1])
        True
    """

    def __init__(self, shape: tuple[int, ...], trees: int, depth: int, rate: float) -> None:
        super().__init__(shape)
        self.depth, self.rate = depth, rate
        self.trees = Trees(trees, 2 ** (depth + 1) - 1, depth)
        self.register_buffer("start", torch.zeros(()))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Grow the trees on the rows and their labels."""
        x, labels = train.rows.flatten(1).double().cpu().numpy(), labels_of(train).cpu().numpy()
        grown = GradientBoostingClassifier(
            n_estimators=len(self.trees.get_buffer("value")),
            max_depth=self.depth,
            learning_rate=self.rate,
            subsample=0.5,
            max_features="sqrt",
            random_state=int(torch.randint(2**31, (), generator=rng)),
        ).fit(x, labels)
        self.trees.keep([Grown(one.tree_, self.rate * one.tree_.value[:, 0, 0]) for one in grown.estimators_[:, 0]])
        share = float(labels.mean())
        self.get_buffer("start").fill_(torch.tensor(share / (1 - share)).log())

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-odds of signal against background, ``(n, *shape) -> (n,)``."""
        steps: Tensor = self.trees(x.flatten(1))
        return steps.sum(1) + self.get_buffer("start")


def build(shape: int | tuple[int, ...], *, trees: int = 200, depth: int = 3, rate: float = 0.1) -> GradientBoosting:
    """So many trees of this depth, each counted with the learning rate.

    Raises:
        Refused: no tree, a depth outside of 1 to 10, or a rate of 0 or below.
    """
    if trees < 1 or not 1 <= depth <= 10 or rate <= 0:
        raise Refused(
            f"gradient_boosting was given trees={trees}, depth={depth}, rate={rate:g}; 1 tree or more, a depth of 1 to "
            "10 and a rate above 0 are expected"
        )
    return GradientBoosting((shape,) if isinstance(shape, int) else shape, trees, depth, rate)
