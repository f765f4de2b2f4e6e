"""One session's options as the book asks for them: a few by name out of many thousand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from transforms.book.state import VIX_ROOTS, Mark, OptionKey
from transforms.engines.payoff import PRICE_DECIMALS
from transforms.engines.priced_chain import QUOTE_KEY
from transforms.engines.settlement_law import SVI_COLUMNS
from transforms.pricing.black76 import black_greeks, black_price
from transforms.pricing.svi import SviSlices

OPTION_KEY = QUOTE_KEY[1:]


@dataclass(frozen=True)
class Touch:
    """Bid and ask of a two-sided option, points."""

    bid: float
    ask: float

    @property
    def mid(self) -> float:
        """Return the middle, points."""
        return 0.5 * (self.bid + self.ask)

    def fill_price(self, quantity: int, *, fill_slippage: float) -> float:
        """Return mid plus (bought) or minus (sold) `fill_slippage` times the half-spread, points."""
        half_spread = 0.5 * (self.ask - self.bid)
        return round(self.mid + (fill_slippage if quantity > 0 else -fill_slippage) * half_spread, PRICE_DECIMALS)


@dataclass(frozen=True)
class SessionQuotes:
    """Touches and marks of the options asked for, by key; an option that is not listed is in neither."""

    touches: Mapping[OptionKey, Touch]
    marks: Mapping[OptionKey, Mark]


def session_quotes(
    keys: Iterable[OptionKey],
    chain: pl.DataFrame,
    *,
    slices: pl.DataFrame,
    futures: Mapping[date, float],
    session_date: date,
) -> SessionQuotes:
    """Return what a session quotes and marks of the options asked for.

    Parameters
    ----------
    keys : options, in any order
    chain : `priced_chain` rows of the session
    slices : feature.slice of the session
    futures : VX settlements of the session by expiration, points

    Notes
    -----
    A two-sided option is marked at its mid, any other by the smile, listed or not; an option without either has no mark
    here, and the book carries the one it has.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return SessionQuotes({}, {})
    asked = pl.DataFrame(wanted, schema={name: chain.schema[name] for name in OPTION_KEY}, orient="row")
    rows = asked.join(chain, on=OPTION_KEY, how="left", validate="1:1", maintain_order="left")
    found = [dict(row) for row in rows.iter_rows(named=True)]
    touches, marks = {}, {}
    for key, row in zip(wanted, found, strict=True):
        touch = _touch(row)
        if touch:
            touches[key] = touch
        mark = _mark(row, touch, key=key, futures=futures, session_date=session_date)
        if mark is None:
            mark = _smile_mark(key, slices, futures=futures, session_date=session_date)
        if mark is not None:
            marks[key] = mark
    return SessionQuotes(touches, marks)


def _touch(row: dict[str, float | None]) -> Touch | None:
    bid, ask = row["bid"], row["ask"]
    return Touch(bid, ask) if bid is not None and ask is not None and 0.0 < bid <= ask else None


def _mark(
    row: dict[str, float | None],
    touch: Touch | None,
    *,
    key: OptionKey,
    futures: Mapping[date, float],
    session_date: date,
) -> Mark | None:
    fitted = row["fitted_price"]
    if touch is None and fitted is None:
        return None
    return Mark(
        price=touch.mid if touch else float(fitted or 0.0),
        source="mid" if touch else "fitted",
        marked_on=session_date,
        forward=row["forward"],
        future=_future(key, futures),
        vol=row["pricing_vol"],
        delta=row["delta"],
        gamma=row["gamma"],
        vega=row["vega"],
        theta=row["theta"],
    )


def _smile_mark(
    key: OptionKey, slices: pl.DataFrame, *, futures: Mapping[date, float], session_date: date
) -> Mark | None:
    """Return the mark of an option that is not quoted, by its slice's smile; None without one."""
    own = slices.filter(
        (pl.col("root") == key.root) & (pl.col("expiration") == key.expiration) & pl.col("svi_a").is_not_null(),
        pl.col("forward").is_not_null() & (pl.col("time_to_expiry") > 0.0),
    )
    if own.is_empty():
        return None
    forward, tau, discount = (float(own[name][0]) for name in ("forward", "time_to_expiry", "discount_factor"))
    smile = SviSlices(*(own[name].to_numpy() for name in SVI_COLUMNS))
    variance = float(smile.total_variance(np.array([np.log(key.strike / forward)]))[0, 0])
    vol, is_call = float(np.sqrt(variance / tau)), key.option_type == "call"
    greeks = black_greeks(
        forward, key.strike, time_to_expiry=tau, implied_vol=vol, discount_factor=discount, is_call=is_call
    )
    price = black_price(
        forward, key.strike, time_to_expiry=tau, implied_vol=vol, discount_factor=discount, is_call=is_call
    )
    return Mark(
        price=float(np.ravel(price)[0]),
        source="fitted",
        marked_on=session_date,
        forward=forward,
        future=_future(key, futures),
        vol=vol,
        **{name: float(np.ravel(getattr(greeks, name))[0]) for name in ("delta", "gamma", "vega", "theta")},
    )


def _future(key: OptionKey, futures: Mapping[date, float]) -> float | None:
    return futures.get(key.expiration) if key.root in VIX_ROOTS else None
