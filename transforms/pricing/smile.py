"""SVI smiles of all slices of a session, fitted together, free of butterfly and calendar arbitrage or refused.

Arbitrage-free by construction: the fit starts from an SSVI surface without arbitrage and moves inside the constraints
(`smile_solver`). The exact checks of `svi` then judge the result on the whole line; a slice that disagrees with its own
quotes at the money is refused and the others are fitted again without it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.pricing.smile_solver import (
    CALENDAR_MARGIN,
    Problem,
    least_squares_surface,
    raw_svi,
    scaled_parameters,
    total_variance,
)
from transforms.pricing.svi import SviSlices, least_gap, minimum_g

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Shapes from which a surface may start: correlations and curvatures of SSVI, inside Gatheral and Jacquier's bounds.
START_RHO = (-0.9, -0.8, -0.7, -0.55, -0.3, 0.0, 0.3, 0.6, 0.8)
START_ETA = (0.3, 0.5, 0.7, 0.85, 1.0)
START_QUOTES = 41
# At-the-money total variance may fall by noise from one slice to the next, not by more than this factor.
CALENDAR_OUTLIER = 1.2
# At-the-money total variances outside are no smile: 0.1 % a year over an hour, 170 % over a year.
LEAST_VARIANCE, MOST_VARIANCE = 1e-10, 3.0


@dataclass(frozen=True)
class SmileSettings:
    """What a fit may be.

    `min_quotes` usable vols and `min_side` of them on each side of the forward, else the slice is refused.
    `vol_floor` (decimal) bounds the weight of a quote: half-spreads below it count as it. `max_atm_error` (in
    decimals, plus `max_atm_error_share` of the vol) is how far the fitted vol at the forward may lie from the quotes'.
    Beyond `far_deviations` standard deviations a quote counts less and less, by the fourth power: there are many such
    strikes, their price is a few ticks, and five parameters cannot fit them and the money too.
    """

    min_quotes: int = 6
    min_side: int = 2
    vol_floor: float = 0.001
    max_atm_error: float = 0.005
    max_atm_error_share: float = 0.05
    far_deviations: float = 3.0


@dataclass(frozen=True)
class SmileFit:
    """One session's smiles, one element per slice.

    slices: SVI parameters, NaN where refused. rmse_vol_points: root mean square of fitted minus mid vol, weighted by
    vega, in vol points. share_inside_spread: share of the quotes used whose fitted vol lies within bid and ask vol.
    min_g: minimum of g over the whole line. n_quotes: vols used. calendar_gap: least w_far - w_near, in units of the
    nearer slice's at-the-money variance, against the next shorter slice of the same group; NaN for the first.
    status: `fitted`, `butterfly` or `calendar` (a violation is left, its size in min_g or calendar_gap), or refused:
    `too_few_quotes`, `calendar_outlier` (its at-the-money variance contradicts its neighbors'), `atm_mismatch`,
    `degenerate` (a variance at the money that is no smile's).
    """

    slices: SviSlices
    rmse_vol_points: Floats
    share_inside_spread: Floats
    min_g: Floats
    calendar_gap: Floats
    n_quotes: NDArray[np.int64]
    status: NDArray[np.str_]


def fit_smiles(
    log_moneyness: Floats,
    vol_bid: Floats,
    *,
    vol_mid: Floats,
    vol_ask: Floats,
    time_to_expiry: Floats,
    settlement_group: NDArray[np.int64],
    settings: SmileSettings | None = None,
) -> SmileFit:
    """Return arbitrage-free SVI smiles of one session's slices.

    Parameters
    ----------
    log_moneyness, vol_bid, vol_mid, vol_ask : arrays of shape (n, width)
        k = ln(K/F), increasing along a row, and decimal vols of out-of-the-money quotes. NaN where a quote is not to
        be used; a NaN bid vol beside a mid vol counts as a bid as far below the mid as the ask is above.
    time_to_expiry : array of shape (n,)
        Years.
    settlement_group : array of shape (n,)
        Slices of one group settle alike and must not cross each other.

    Notes
    -----
    Residuals are vol errors in units of the quote's half-spread in vol, which is a price error over vega.
    """
    chosen = settings or SmileSettings()
    used = np.isfinite(log_moneyness) & np.isfinite(vol_mid) & np.isfinite(vol_ask) & (vol_mid > 0.0)
    below, above = used & (log_moneyness < 0.0), used & (log_moneyness >= 0.0)
    sides = np.minimum(below.sum(axis=1), above.sum(axis=1))
    enough = (used.sum(axis=1) >= chosen.min_quotes) & (sides >= chosen.min_side) & (time_to_expiry > 0.0)
    status = np.full(used.shape[0], "too_few_quotes", dtype="U16")
    order = np.lexsort((time_to_expiry, settlement_group))
    rows = order[enough[order]]
    columns = np.argsort(~used, axis=1, kind="stable")[:, : max(1, int(used.sum(axis=1).max(initial=0)))]
    k, bid, mid, ask = (
        np.take_along_axis(values, columns, axis=1) for values in (log_moneyness, vol_bid, vol_mid, vol_ask)
    )
    packed = np.take_along_axis(used, columns, axis=1)
    quotes = _Quotes(k, bid, mid, ask, packed, time_to_expiry, settlement_group)
    variance = _atm_vol(quotes.rows(rows)) ** 2 * quotes.tau[rows]
    degenerate = ~((variance > LEAST_VARIANCE) & (variance < MOST_VARIANCE))
    status[rows[degenerate]] = "degenerate"
    rows, variance = rows[~degenerate], variance[~degenerate]
    outlier = _calendar_outliers(variance, group=quotes.group[rows])
    status[rows[outlier]] = "calendar_outlier"
    rows = rows[~outlier]
    # Once with every slice; again without those that came out at odds with their own quotes.
    for _ in range(2):
        if rows.size == 0:
            break
        of_rows = quotes.rows(rows)
        problem = _problem(of_rows, chosen)
        theta, scale = least_squares_surface(problem, _start(problem, of_rows)), problem.scale
        atm_vol = _atm_vol(of_rows)
        error = np.abs(np.sqrt(total_variance(theta, np.zeros((rows.size, 1)))[:, 0]) - 1.0) * atm_vol
        sane = error <= chosen.max_atm_error + chosen.max_atm_error_share * atm_vol
        if sane.all():
            break
        status[rows[~sane]] = "atm_mismatch"
        rows, theta, scale = rows[sane], theta[sane], scale[sane]
    fit = _blank(used, status)
    return _described(quotes.rows(rows), theta, scale=scale, rows=rows, fit=fit) if rows.size else fit


@dataclass(frozen=True)
class _Quotes:
    """Quotes packed to the left, shape (n, width); tau and group of shape (n,)."""

    k: Floats
    vol_bid: Floats
    vol_mid: Floats
    vol_ask: Floats
    used: Flags
    tau: Floats
    group: Indices

    def rows(self, chosen: Indices) -> "_Quotes":
        """Return the chosen slices."""
        return _Quotes(
            self.k[chosen],
            self.vol_bid[chosen],
            self.vol_mid[chosen],
            self.vol_ask[chosen],
            self.used[chosen],
            self.tau[chosen],
            self.group[chosen],
        )


def _blank(used: Flags, status: NDArray[np.str_]) -> SmileFit:
    nothing = [np.full(used.shape[0], np.nan) for _ in range(9)]
    return SmileFit(
        slices=SviSlices(*nothing[:5]),
        rmse_vol_points=nothing[5],
        share_inside_spread=nothing[6],
        min_g=nothing[7],
        calendar_gap=nothing[8],
        n_quotes=used.sum(axis=1).astype(np.int64),
        status=status,
    )


def _atm_vol(quotes: _Quotes) -> Floats:
    """Return each slice's vol at the forward, linear in k between the quotes around it."""
    last_below = (quotes.used & (quotes.k < 0.0)).sum(axis=1)[:, None] - 1
    k_low, k_high, vol_low, vol_high = (
        np.take_along_axis(values, last_below + step, axis=1)[:, 0]
        for values in (quotes.k, quotes.vol_mid)
        for step in (0, 1)
    )
    return np.asarray(vol_low - (vol_high - vol_low) * k_low / (k_high - k_low))


def _calendar_outliers(variance: Floats, *, group: Indices) -> Flags:
    """Return the slices to leave out so that at-the-money variance never falls by more than CALENDAR_OUTLIER.

    Of two slices in conflict the one that is in more conflicts goes first, so that one bad slice does not take the
    good ones after it along. Rows are ordered by group and time.
    """
    alike = group[:, None] == group[None, :]
    falls = np.triu(alike & (variance[:, None] > CALENDAR_OUTLIER * variance[None, :]), 1)
    conflict = falls | falls.T
    outlier = np.zeros(variance.size, dtype=np.bool_)
    while conflict.any():
        worst = int(np.argmax(conflict.sum(axis=1)))
        outlier[worst] = True
        conflict[worst], conflict[:, worst] = False, False
    return outlier


def _problem(quotes: _Quotes, settings: SmileSettings) -> Problem:
    """Return the scaled quotes of slices ordered by group and time."""
    used = quotes.used
    atm_vol = _atm_vol(quotes)
    scale = atm_vol**2 * quotes.tau
    x = np.where(used, quotes.k / np.sqrt(scale)[:, None], 0.0)
    half = 0.5 * (quotes.vol_ask - quotes.vol_bid)
    half = np.maximum(np.where(np.isnan(half), quotes.vol_ask - quotes.vol_mid, half), settings.vol_floor)
    variance_per_vol = 2.0 * quotes.vol_mid * (quotes.tau / scale)[:, None]
    weight = 1.0 / (variance_per_vol * half * (1.0 + (x / settings.far_deviations) ** 4))
    return Problem(
        x=x,
        y=np.where(used, (quotes.vol_mid / atm_vol[:, None]) ** 2, 1.0),
        weight=np.where(used, weight, 0.0),
        scale=scale,
        linked=quotes.group[1:] == quotes.group[:-1],
    )


def _thinned(problem: Problem) -> Problem:
    """Return START_QUOTES quotes of each slice, evenly spread over those in use."""
    last = (problem.weight > 0.0).sum(axis=1)[:, None] - 1
    picks = np.rint(np.linspace(0.0, 1.0, START_QUOTES)[None, :] * last).astype(np.int64)
    x, y, weight = (np.take_along_axis(v, picks, axis=1) for v in (problem.x, problem.y, problem.weight))
    return Problem(x, y, weight, problem.scale, problem.linked)


def _start(problem: Problem, quotes: _Quotes) -> Floats:
    """Return a surface free of arbitrage to start from: per group the power-law SSVI of least error.

    phi(theta) = eta/sqrt(theta*(1 + theta)) with eta*(1 + |rho|) <= 2 allows neither butterfly nor calendar arbitrage
    (Gatheral and Jacquier 2014, section 4). theta is each slice's at-the-money variance, made to rise with time.
    """
    thin = _thinned(problem)
    level = problem.scale.copy()
    for later in np.flatnonzero(problem.linked) + 1:
        level[later] = max(level[later], level[later - 1] * (1.0 + 5.0 * CALENDAR_MARGIN))
    _, member = np.unique(quotes.group, return_inverse=True)
    shapes = [(rho, eta) for rho in START_RHO for eta in START_ETA if eta * (1.0 + abs(rho)) < 1.9]
    surfaces = []
    by_group = []
    for rho, eta in shapes:
        phi = eta / np.sqrt(level * (1.0 + level))
        slices = SviSlices(
            a=0.5 * level * (1.0 - rho * rho),
            b=0.5 * level * phi,
            rho=np.full_like(level, rho),
            m=-rho / phi,
            sigma=np.sqrt(1.0 - rho * rho) / phi,
        )
        surfaces.append(scaled_parameters(slices, problem.scale))
        by_group.append(np.bincount(member, weights=thin.cost(surfaces[-1])))
    best = np.argmin(np.stack(by_group), axis=0)[member]
    return np.asarray(np.stack(surfaces)[best, np.arange(best.size)])


def _described(quotes: _Quotes, theta: Floats, *, scale: Floats, rows: Indices, fit: SmileFit) -> SmileFit:
    """Return `fit` with parameters, quality figures and status filled in at `rows`."""
    raw = raw_svi(theta, scale)
    fitted = np.sqrt(raw.total_variance(quotes.k) / quotes.tau[:, None])
    error = np.where(quotes.used, fitted - quotes.vol_mid, 0.0)
    deviations = quotes.vol_mid * np.sqrt(quotes.tau)[:, None]
    vega = np.where(quotes.used, np.exp(-0.5 * (0.5 * deviations - quotes.k / deviations) ** 2), 0.0)
    with np.errstate(invalid="ignore"):
        inside = quotes.used & (fitted <= quotes.vol_ask) & ~(fitted < quotes.vol_bid)
    linked = quotes.group[1:] == quotes.group[:-1]
    gap = np.full(rows.size, np.nan)
    near = np.flatnonzero(linked)
    gap[near + 1] = least_gap(raw.take(near), raw.take(near + 1)) / scale[near]
    lowest_g, _ = minimum_g(raw)
    fit.min_g[rows] = lowest_g
    fit.calendar_gap[rows] = gap
    fit.rmse_vol_points[rows] = 100.0 * np.sqrt((vega * error**2).sum(axis=1) / vega.sum(axis=1))
    fit.share_inside_spread[rows] = inside.sum(axis=1) / quotes.used.sum(axis=1)
    fit.status[rows] = np.where(gap < 0.0, "calendar", np.where(lowest_g < 0.0, "butterfly", "fitted"))
    for name in ("a", "b", "rho", "m", "sigma"):
        getattr(fit.slices, name)[rows] = getattr(raw, name)
    return fit
