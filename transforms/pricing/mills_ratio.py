"""Differences of the Mills ratio Y(u) = Phi(-u)/phi(u) = sqrt(pi/2)*erfcx(u/sqrt(2)), free of cancellation.

Every Black price divided by its vega is such a difference. Subtracting two values of erfcx loses all digits
as the total vol shrinks; here Y is a rational function P/Q and the *divided difference* of P/Q is
evaluated, which stays accurate down to equal arguments. It costs additions and multiplications and one
division, so NumPy runs it at vector speed, where SciPy's erfcx is a scalar table look-up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MillsFit:
    """A rational Y(u) = P(u)/Q(u) on u >= -1, leading coefficients 1, Q one degree above P.

    `pairs` has shape (degree of P, 2, 1): the coefficients of P and of Q, power by power, ascending. `tail`
    is the coefficient of Q at the degree of P. `largest_error` is the relative error of Y with these
    doubles, over -1 <= u <= 2000.
    """

    pairs: Floats
    tail: float
    largest_error: float


def _fit(numerator: list[float], denominator: list[float], largest_error: float) -> MillsFit:
    pairs = np.array([numerator, denominator[:-1]]).T[:, :, None]
    return MillsFit(np.ascontiguousarray(pairs), denominator[-1], largest_error)


# Both fits: relative minimax by iteratively reweighted linear least squares in 120-digit arithmetic, on 160
# Chebyshev nodes in (u + 1)/(u + 4), leading coefficients held at 1 because Y(u) -> 1/u. Before its
# coefficients are rounded the full fit errs by 1.5e-17; rounded, by 2e-16 on u >= 0, and most at u = -1,
# where the terms of P and Q alternate.
FULL_FIT = _fit(
    numerator=[
        20326339.006462082,
        35113230.0772777,
        30116802.975372534,
        16632159.101914575,
        6509127.393308572,
        1885417.2772776107,
        411344.38557282346,
        67540.5466021903,
        8185.135465356541,
        698.7811548331363,
        37.96390981463315,
    ],
    denominator=[
        16218072.070901148,
        40956453.46993886,
        48599217.96824613,
        35882265.01300859,
        18389410.14858553,
        6904481.101201649,
        1951570.2630575856,
        419453.59318443213,
        68237.32775753921,
        8223.099375166545,
        699.7811548331571,
        37.96390981463312,
    ],
    largest_error=7e-15,
)

# Enough for a step whose result is refined again.
SHORT_FIT = _fit(
    numerator=[148.47347375340385, 126.58609195134056, 51.1554490292152, 10.803291494991946],
    denominator=[
        118.46468276508732,
        195.5218812277648,
        137.58763183464342,
        52.146188038810436,
        10.803433392627417,
    ],
    largest_error=6.1e-7,
)


def mills_difference(near: Floats, far: Floats, width: Floats, *, fit: MillsFit = FULL_FIT) -> Floats:
    """Return Y(near) - Y(far), positive for far > near.

    Element-wise over arrays of shape (n,); dimensionless. `near` must be at least -1 (not checked: below,
    the fit does not hold) and `width` is far - near, given apart because it is known with more digits than
    the difference of the two. NaN in, NaN out. The relative error is of order 1e-16*(1 + near^2); what
    grows with near^2 does not reach an implied vol, whose sensitivity falls as fast.
    """
    # One Horner pass gives the value at `near` and the divided difference of P (row 0) and Q (row 1)
    # together. Q(far) is then a sum; starting from `far`, Q(near) would be a difference and lose the digits
    # of a wide pair.
    value = np.empty((2, far.size))
    slope = np.empty((2, far.size))
    value[0] = 1.0
    np.add(near, fit.tail, out=value[1])
    slope[0] = 0.0
    slope[1] = 1.0
    for pair in fit.pairs[::-1]:
        slope *= far
        slope += value
        value *= near
        value += pair
    numerator, denominator = value
    numerator_slope, denominator_slope = slope
    difference = numerator * denominator_slope
    numerator_slope *= denominator
    difference -= numerator_slope
    difference *= width
    denominator_slope *= width
    denominator_slope += denominator
    denominator_slope *= denominator
    difference /= denominator_slope
    return difference
