"""A Born machine that is a matrix product state: the classical twin of a circuit, with as many parameters as asked for.

Its probabilities are the squares of amplitudes, as those of a circuit; its likelihood and its draws are exact at any
number of bits, at a cost that grows linearly with them.
"""

from __future__ import annotations

from qinn_bench.about import About
from reference_models._parts.bit_cells import OnCells
from reference_models._parts.cells import Cells
from reference_models._parts.matrix_product import MatrixProduct

ABOUT = About(
    citation="Han, Wang, Fan, Wang, Zhang, Unsupervised generative modeling using matrix product states, "
    "arXiv:1709.01662",
    deviations=(
        "all sites are trained at once by gradients, instead of two at a time with bonds that grow and are cut",
        "a millionth of the probability is spread evenly over all cells, so that no row is impossible",
        "the bits are those of cells of equal width after a map to (0, 1), as those of `qcbm`",
        "entries may be `phased`, as amplitudes of circuits are",
    ),
    knobs={"bond": (*range(1, 17), 18, 20, 22, 24, 28, 32, 40, 48, 64)},
    depth="bond",
    tiny={"bits": 2, "bond": 2},
    tune={"bits": (2, 3, 4), "gray": (False, True), "interleaved": (False, True), "phased": (False, True)},
)


def build(
    dim: int,
    *,
    bits: int = 3,
    bond: int = 4,
    phased: bool = False,
    interleaved: bool = False,
    squash: str = "normal",
    gray: bool = True,
) -> OnCells:
    """A chain of ``dim * bits`` sites with bonds of at most `bond`, feature after feature.

    With `interleaved` sites it is the highest bits of all features first, then the next ones. Bonds are never larger
    than a full state needs, so that sizes end there.

    Raises:
        Refused: no bond, or what `Cells` refuses.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(3, bits=3, bond=bond)).total for bond in (1, 2, 4, 64)]
        [18, 64, 200, 1192]
    """
    cells = Cells(dim, bits, squash, gray)
    by_bit = [feature * bits + bit for bit in range(bits) for feature in range(dim)]
    law = MatrixProduct(cells.n_bits, bond, order=by_bit if interleaved else None, phased=phased)
    return OnCells(cells, law)
