"""A number with its error on its last digits."""

from __future__ import annotations

from decimal import Decimal

FAR = 1e6
"""A measured number of a larger size says only that something is far out."""


def number(value: float, error: float | None) -> str:
    """A value with its error on its last digits: ``6.495(12)`` is 6.495 +- 0.012, ``1.2(4)e-4`` is 0.00012 +- 0.00004.

    The error keeps two digits if its first three are below 355 and one otherwise (Particle Data Group, Review of
    Particle Physics, Introduction, section 5.3); without an error the value has four digits.
    """
    v = Decimal(repr(float(value)))
    known = error is not None and error > 1e-12 * abs(value)
    e = Decimal(repr(float(error))) if known and error is not None else Decimal(0)
    place = last_digit(e) if known else v.adjusted() - 3 if v else 0
    top = max(v, -v, e).adjusted()
    power = top if (v or e) and not -3 <= top < 6 else 0
    shown, below = (_rounded(x.scaleb(-power), place - power) for x in (v, e))
    suffix = f"e{power}" if power else ""
    if not known:
        return f"{shown:f}{suffix}"
    digits = f"{below:f}" if below >= 1 else f"{below.scaleb(power - place):f}".split(".")[0]
    return f"{shown:f}({digits}){suffix}"


def bounded(value: float, error: float | None, most: float = FAR) -> str:
    """The same, and ``> 1e6`` or ``< -1e6`` for a number of a larger size than `most`.

    Example:
        >>> bounded(3.1e60, 2.7e60), bounded(-2e7, None), bounded(6.495, 0.012)
        ('> 1e6', '< -1e6', '6.495(12)')
    """
    if abs(value) <= most:
        return number(value, error)
    limit = f"{most:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"> {limit}" if value > 0 else f"< -{limit}"


def last_digit(error: Decimal) -> int:
    """The power of ten of the last digit of an error that is shown.

    Example:
        >>> last_digit(Decimal("0.022")), last_digit(Decimal("0.036"))
        (-3, -2)
    """
    leading = int(error.scaleb(2 - error.adjusted()).to_integral_value())
    return error.adjusted() - (1 if leading < 355 else 0)


def _rounded(x: Decimal, place: int) -> Decimal:
    """Rounded to a power of ten; adding zero turns a negative zero into zero."""
    return x.quantize(Decimal(1).scaleb(place)) + 0
