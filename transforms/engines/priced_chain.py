"""One session's options as the engines read them: quote, analytics and slice side by side; and what legs are worth
when forward and time change.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.pricing.black76 import DAYS_PER_YEAR, black_price

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SLICE_KEY = ["session_date", "root", "expiration"]
QUOTE_KEY = [*SLICE_KEY, "strike", "option_type"]
QUOTED = ["bid", "ask", "bid_size", "ask_size"]
ANALYZED = ["mid", "implied_vol_mid", "delta", "gamma", "vega", "theta", "fitted_vol", "fitted_price"]
OF_SLICE = ["time_to_expiry", "forward", "discount_factor"]


def priced_chain(quotes: pl.DataFrame, analytics: pl.DataFrame, *, slices: pl.DataFrame) -> pl.DataFrame:
    """Return the options of the given slices, one row each, sorted by key.

    Parameters
    ----------
    quotes : core.option_quote of one session
    analytics : feature.option_analytics of the same session
    slices : the rows of feature.slice whose options are wanted

    Returns
    -------
    DataFrame
        The key, `days_to_expiry` (calendar days), bid, ask, sizes, mid, Greeks, fitted price and vol of the option,
        time_to_expiry, forward and discount_factor of its slice, and `pricing_vol`: the smile's vol at the strike, the
        mid's own where there is no smile, null where there is neither.
    """
    wanted = slices.select(*SLICE_KEY, *OF_SLICE)
    return (
        analytics.lazy()
        .select(*QUOTE_KEY, *ANALYZED)
        .join(wanted.lazy(), on=SLICE_KEY, how="inner", validate="m:1")
        .join(quotes.lazy().select(*QUOTE_KEY, *QUOTED), on=QUOTE_KEY, how="inner", validate="1:1")
        .with_columns(
            days_to_expiry=(pl.col("expiration") - pl.col("session_date")).dt.total_days(),
            pricing_vol=pl.coalesce("fitted_vol", "implied_vol_mid"),
        )
        .sort(QUOTE_KEY)
        .collect()
    )


def is_two_sided() -> pl.Expr:
    """Return whether an option has a bid above 0 and an offer not below it."""
    return (pl.col("bid") > 0.0) & (pl.col("ask") >= pl.col("bid"))


def strike_name(column: str) -> pl.Expr:
    """Return a strike as it is spoken: 4720 and 12.5, not 4720.0."""
    return pl.col(column).cast(pl.String).str.strip_suffix(".0")


@dataclass(frozen=True)
class PricedLegs:
    """Options as arrays of shape (n,): points, years, decimals; NaN where unknown."""

    strike: Floats
    is_call: Bools
    forward: Floats
    discount_factor: Floats
    time_to_expiry: Floats
    vol: Floats

    @classmethod
    def of(cls, chain: pl.DataFrame) -> "PricedLegs":
        """Return the options of `priced_chain` rows, at their pricing vol."""
        numbers = [
            chain[name].fill_null(np.nan).to_numpy()
            for name in ("strike", "forward", "discount_factor", "time_to_expiry", "pricing_vol")
        ]
        strike, forward, discount_factor, time_to_expiry, vol = numbers
        return cls(
            strike=strike,
            is_call=(chain["option_type"] == "call").to_numpy(),
            forward=forward,
            discount_factor=discount_factor,
            time_to_expiry=time_to_expiry,
            vol=vol,
        )

    def take(self, rows: NDArray[np.int64] | Bools) -> "PricedLegs":
        """Return the chosen options."""
        return PricedLegs(
            self.strike[rows], self.is_call[rows], self.forward[rows],
            self.discount_factor[rows], self.time_to_expiry[rows], self.vol[rows],
        )  # fmt: skip

    def value(self, forward: Floats, *, days_later: Floats | float = 0.0) -> Floats:
        """Return what each option is worth at other forwards, some calendar days from now, at its vol of today.

        `forward`: points, shape (n, width). `days_later`: a number or shape (n,); an option whose time has then run out
        is worth its payoff. Sticky strike: the vol belongs to the strike and stays with it. The rate stays as it is.
        Points, shape (n, width); NaN where the option has no vol.
        """
        left = np.maximum(self.time_to_expiry - np.asarray(days_later) / DAYS_PER_YEAR, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            discount = np.where(left > 0.0, self.discount_factor ** (left / self.time_to_expiry), 1.0)
        prices = black_price(
            forward.ravel(),
            np.repeat(self.strike, forward.shape[1]),
            time_to_expiry=np.repeat(left, forward.shape[1]),
            implied_vol=np.repeat(np.where(left > 0.0, self.vol, 0.0), forward.shape[1]),
            discount_factor=np.repeat(discount, forward.shape[1]),
            is_call=np.repeat(self.is_call, forward.shape[1]),
        )
        return prices.reshape(forward.shape)
