"""True prices of every listed option at the two snapshots of a session."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from transforms.sample_market.arrays import Booleans, Floats, Integers
from transforms.sample_market.listing import VIX_STRIKES, Slice, band_windows, spx_slices, spx_strikes, vix_slices
from transforms.sample_market.noise import EPOCH, ROOT_CODES, Keys, series_keys
from transforms.sample_market.path import CLOSE, QUARTER_BEFORE_CLOSE, MarketPath
from transforms.sample_market.surface import (
    at_the_money_variance,
    black_price,
    cumulative_variance,
    option_zero_rate,
    smile_total_variance,
)
from transforms.sample_market.vix_law import clock_of_state, vix_law, vix_option_price, years_between
from transforms.sessions import TradingCalendar

# Minutes of the two snapshots after the index close.
SNAPSHOT_DELAY = {QUARTER_BEFORE_CLOSE: -15, CLOSE: 15}
VX_DECIMALS = 4


@dataclass(frozen=True)
class SliceTruth:
    """What prices the slices at one snapshot, one entry per slice of the chain.

    `years` is ACT/365 to settlement (0 or less once fixed), `forward` in points, `theta` the at-the-money total
    variance of SPX slices (NaN for VIX slices, whose law is a mixture).
    """

    years: Floats
    forward: Floats
    discount_factor: Floats
    theta: Floats


@dataclass(frozen=True)
class Chain:
    """Every option of a session: slices, rows in vendor order, true prices at both snapshots.

    Rows run over slices (SPX and SPXW by expiration and root, then VIX), strikes ascending, call before put. `strike`
    is in thousandths, `true_1545` and `true_eod` in points, 0 where the series no longer trades.
    """

    session_date: date
    slices: tuple[Slice, ...]
    truth_1545: SliceTruth
    truth_eod: SliceTruth
    slice_index: Integers
    strike: Integers
    is_call: Booleans
    keys: Keys
    true_1545: Floats
    true_eod: Floats
    spot_1545: float
    spot_eod: float

    def rows_of(self, slice_number: int) -> Integers:
        """Return the row numbers of one slice."""
        return np.flatnonzero(self.slice_index == slice_number)

    def is_vix(self) -> Booleans:
        """Return, per row, whether the option is on VIX."""
        return np.array([item.root.startswith("VIX") for item in self.slices])[self.slice_index]


def true_chain(
    path: MarketPath, row: int, *, calendar: TradingCalendar, slices_at_close: list[Slice] | None = None
) -> Chain:
    """Return the chain of path row `row`.

    With `slices_at_close` it holds those slices only (SPX before VIX) and the close stands in for the earlier snapshot:
    what the published indices need.
    """
    day: date = path.clock.sessions[path.first + row].astype(object)
    listed = slices_at_close or [*spx_slices(day, calendar), *vix_slices(day, calendar)]
    spx = [item for item in listed if not item.root.startswith("VIX")]
    vix = listed[len(spx) :]
    slices = tuple(spx + vix)
    strikes = [*_spx_strikes(path, row, day=day, slices=spx), *[VIX_STRIKES] * len(vix)]
    counts = np.array([len(item) for item in strikes])
    by_strike = np.repeat(np.arange(len(slices)), counts)
    all_strikes = np.concatenate(strikes)
    slice_index = np.repeat(by_strike, 2)
    strike = np.repeat(all_strikes, 2)
    is_call = np.tile(np.array([True, False]), len(all_strikes))
    codes = np.array([ROOT_CODES[item.root] for item in slices])
    expirations = np.array([(item.expiration - EPOCH).days for item in slices])
    snapshots = {}
    for state in (CLOSE,) if slices_at_close else (CLOSE, QUARTER_BEFORE_CLOSE):
        truth = _slice_truth(path, row, state=state, spx=spx, vix=vix)
        snapshots[state] = (
            truth,
            _prices(
                path, row, state=state, slices=slices, n_spx=len(spx), truth=truth, counts=counts, strikes=all_strikes
            ),
        )
    earlier = snapshots.get(QUARTER_BEFORE_CLOSE, snapshots[CLOSE])
    return Chain(
        session_date=day,
        slices=slices,
        truth_1545=earlier[0],
        truth_eod=snapshots[CLOSE][0],
        slice_index=slice_index,
        strike=strike,
        is_call=is_call,
        keys=series_keys(expirations[slice_index], codes[slice_index], strikes=strike, is_call=is_call),
        true_1545=earlier[1],
        true_eod=snapshots[CLOSE][1],
        spot_1545=float(path.spot[row, QUARTER_BEFORE_CLOSE]),
        spot_eod=float(path.spot[row, CLOSE]),
    )


def _spx_strikes(path: MarketPath, row: int, *, day: date, slices: list[Slice]) -> list[Integers]:
    low, high = path.spot[: row + 1].min(axis=1), path.spot[: row + 1].max(axis=1)
    days = path.clock.sessions[path.first : path.first + row + 1]
    lists = []
    for item in slices:
        windows = band_windows(item, day)
        firsts = np.minimum(
            np.searchsorted(days, np.array([start for start, _ in windows], dtype="datetime64[D]")), row
        )
        lasts = np.searchsorted(days, np.array([end for _, end in windows], dtype="datetime64[D]"), side="right")
        ranges = [
            (float(low[first : max(last, first + 1)].min()), float(high[first : max(last, first + 1)].max()))
            for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
        ]
        lists.append(spx_strikes(item, ranges=ranges))
    return lists


def settlement_minutes(path: MarketPath, slices: list[Slice]) -> Integers:
    """Return the UTC minute that fixes each slice's settlement: the open for AM roots, the index close for SPXW."""
    positions = path.clock.positions([item.expiration for item in slices])
    pm = np.array([item.root == "SPXW" for item in slices], dtype=np.bool_)
    return np.where(pm, path.clock.closes[positions], path.clock.opens[positions])


def _slice_truth(path: MarketPath, row: int, *, state: int, spx: list[Slice], vix: list[Slice]) -> SliceTruth:
    model = path.model
    settlements = settlement_minutes(path, spx + vix)
    snapshot = int(path.clock.closes[path.first + row]) + SNAPSHOT_DELAY[state]
    years = years_between(snapshot, settlements)
    rate = option_zero_rate(model, float(path.level_rate[row]), short_rate=float(path.short_rate[row]), years=years)
    discount_factor = np.exp(-rate * years)
    n = len(spx)
    horizon = path.clock.at(settlements[:n]) - clock_of_state(path, np.array([row]), state=state)
    curve = cumulative_variance(model, path.fast[row, state], slow=path.slow[row, state])
    theta = np.full(len(years), np.nan)
    theta[:n] = at_the_money_variance(curve, horizon)
    forward = np.empty(len(years))
    forward[:n] = path.spot[row, state] * np.exp((rate[:n] - model.dividend_yield) * years[:n])
    if vix:
        law = vix_law(path, np.array([row]), state=state, expirations=[item.expiration for item in vix])
        # The close's forward is VX as printed, so that parity recovers the settlement exactly.
        forward[n:] = np.round(law.future[0], VX_DECIMALS) if state == CLOSE else law.future[0]
    return SliceTruth(years=years, forward=forward, discount_factor=discount_factor, theta=theta)


def _prices(
    path: MarketPath,
    row: int,
    *,
    state: int,
    slices: tuple[Slice, ...],
    n_spx: int,
    truth: SliceTruth,
    counts: Integers,
    strikes: Integers,
) -> Floats:
    """Return discounted prices (points), call and put of each strike in turn; 0 once the settlement is fixed."""
    points = strikes / 1_000.0
    split = int(counts[:n_spx].sum())
    index = np.repeat(np.arange(len(slices)), counts)
    forward, discount = truth.forward[index], truth.discount_factor[index]
    undiscounted = np.empty(len(points))
    theta = np.maximum(truth.theta[index[:split]], 1e-12)
    k = np.log(points[:split] / forward[:split])
    variance = smile_total_variance(
        k, theta, rho=float(path.rho[row]), eta=float(path.eta[row]), gamma=path.model.smile_gamma
    )
    # Price the out-of-the-money side and add intrinsic value: the small side keeps its digits.
    out_call = points >= forward
    undiscounted[:split] = black_price(
        forward[:split], points[:split], total_variance=variance, is_call=out_call[:split]
    )
    if n_spx < len(slices):
        law = vix_law(path, np.array([row]), state=state, expirations=[item.expiration for item in slices[n_spx:]])
        starts = np.concatenate([[0], np.cumsum(counts)])
        for number in range(n_spx, len(slices)):
            part = slice(int(starts[number]), int(starts[number + 1]))
            undiscounted[part] = vix_option_price(
                law,
                (0, number - n_spx),
                strike=points[part],
                is_call=out_call[part],
                future=float(truth.forward[number]),
            )
    small = discount * undiscounted
    parity = discount * (forward - points)
    call = np.where(out_call, small, small + parity)
    put = np.where(out_call, small - parity, small)
    prices = np.stack([call, put], axis=1).ravel()
    return np.where(np.repeat(truth.years[index] > 0.0, 2), prices, 0.0)
