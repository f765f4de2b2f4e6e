"""The first engine: SPX iron condors of one session, all of them, measured and ranked (METHOD section 6).

A condor is a put vertical and a call vertical of one expiration, and nearly every figure of it is a sum of the two: the
verticals are priced once, their pairs only added.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.engines.margin import (
    SPX_MOVES,
    capital_at_risk,
    condor_margin,
    portfolio_margin_estimate,
)
from transforms.engines.payoff import PRICE_DECIMALS
from transforms.engines.priced_chain import PricedLegs, is_two_sided, priced_chain, strike_name
from transforms.engines.settlement_law import SettlementLaw, physical_law, smile_law
from transforms.tables.engine import CANDIDATE_FUNNEL, CONDOR_CANDIDATE

Floats = NDArray[np.float64]

SPX_ROOTS = ("SPX", "SPXW")
BEST_DAYS_TO_EXPIRY = 50
LEGS = ("put_long", "put_short", "call_short", "call_long")
CONDOR_KEY = ["session_date", "root", "expiration"]


@dataclass(frozen=True)
class CondorSettings:
    """Which condors are candidates.

    days to expiry: calendar days, both ends inclusive; short delta: absolute, both ends inclusive; wing_widths: index
    points, each tried on either side; score_density: whose expected value is scored; fee_per_contract: dollars;
    max_kept: candidates written, best first.
    """

    min_days_to_expiry: int = 45
    max_days_to_expiry: int = 60
    min_short_delta: float = 0.15
    max_short_delta: float = 0.30
    wing_widths: tuple[float, ...] = (25.0, 50.0, 100.0)
    score_density: Literal["risk_neutral", "physical"] = "risk_neutral"
    fee_per_contract: float = 1.5
    max_kept: int = 500


@dataclass(frozen=True)
class RankedCandidates:
    """Candidates as rows of their mart table, rank 1 the best, and what each filter removed (mart.candidate_funnel)."""

    candidates: pl.DataFrame
    funnel: pl.DataFrame


def condor_zone(spot: pl.Expr, put_short: pl.Expr, *, call_short: pl.Expr) -> pl.Expr:
    """Return where the index stands between the short strikes: 1 in the center, 0 at a strike, negative outside.

    min(spot - put_short, call_short - spot)/((call_short - put_short)/2), all in index points; null if any is null.
    """
    nearest = pl.min_horizontal(spot - put_short, call_short - spot)
    known = spot.is_not_null() & put_short.is_not_null() & call_short.is_not_null()
    return pl.when(known).then(nearest / ((call_short - put_short) / 2.0))


def condor_candidates(
    quotes: pl.DataFrame,
    analytics: pl.DataFrame,
    *,
    slices: pl.DataFrame,
    variance_ratio: float | None = None,
    settings: CondorSettings | None = None,
) -> RankedCandidates:
    """Return the condors of one session as mart.condor_candidate, and mart.candidate_funnel of engine `condor`.

    Parameters
    ----------
    quotes, analytics, slices : core.option_quote, feature.option_analytics and feature.slice of one session
    variance_ratio : trailing realized over implied variance (`trailing_variance_ratio`), decimal; without it the
        physical figures are null, and if they are to be scored no condor is ranked

    Notes
    -----
    Prices are natural (short at the bid, long at the ask) unless a column says mid. Ranked by expected value over
    maximum loss, then spread cost over credit, then days to expiry nearest 50, then strikes.
    """
    chosen = settings or CondorSettings()
    slices = slices.filter(pl.col("root").is_in(SPX_ROOTS)).sort(CONDOR_KEY)
    days = (pl.col("expiration") - pl.col("session_date")).dt.total_days()
    eligible = slices.filter(days.is_between(chosen.min_days_to_expiry, chosen.max_days_to_expiry))
    fitted = eligible.filter(pl.col("svi_a").is_not_null() & pl.col("forward").is_not_null())
    rows = fitted.select(*CONDOR_KEY).with_row_index("slice_row")
    chain = (
        priced_chain(quotes, analytics, slices=fitted)
        .with_row_index("option_row")
        .join(rows, on=CONDOR_KEY, how="left", validate="m:1", maintain_order="left")
    )
    laws = {"risk_neutral": smile_law(fitted)} if fitted.height else {}
    if fitted.height and variance_ratio is not None and variance_ratio > 0.0:
        laws["physical"] = physical_law(fitted, variance_ratio=variance_ratio)
    chain = _with_expected_payoffs(chain, laws)
    puts, calls = (_verticals(chain, option_type=kind, settings=chosen) for kind in ("put", "call"))
    condors = _condors(puts.filter("is_quoted"), calls.filter("is_quoted"), settings=chosen)
    kept = _ranked(condors).head(chosen.max_kept)
    counts = [
        *_pair_counts(quotes, slices=[slices, eligible, fitted], n_widths=len(set(chosen.wing_widths))),
        ("short_delta", _n_pairs(puts, calls)),
        ("wings_listed", _n_pairs(puts.filter("is_listed"), calls.filter("is_listed"))),
        ("two_sided", _n_pairs(puts.filter("is_quoted"), calls.filter("is_quoted"))),
        ("credit", condors.height),
        ("kept", kept.height),
    ]
    session = slices.select(pl.col("session_date").first()).to_series()
    return RankedCandidates(
        candidates=_measured(kept, PricedLegs.of(chain), laws=laws, settings=chosen),
        funnel=funnel_rows(session, "condor", counts=counts),
    )


def funnel_rows(session: pl.Series, engine: str, *, counts: list[tuple[str, int]]) -> pl.DataFrame:
    """Return mart.candidate_funnel of one session: one row per filter after the first of `counts`, which is `all`.

    `session`: one date, or none where the session has no options, which gives no rows.
    """
    names = [name for name, _ in counts[1:]]
    numbers = [number for _, number in counts]
    rows = pl.DataFrame(
        {"filter": names, "n_in": numbers[:-1], "n_out": numbers[1:]},
        schema={"filter": pl.String, "n_in": pl.Int64, "n_out": pl.Int64},
    ).with_row_index("step", offset=1)
    dates = pl.DataFrame({"session_date": session.cast(pl.Date)}).drop_nulls()
    return CANDIDATE_FUNNEL.conform(
        dates.join(rows, how="cross").with_columns(pl.col("step").cast(pl.Int64), engine=pl.lit(engine))
    )


def _pair_counts(quotes: pl.DataFrame, *, slices: list[pl.DataFrame], n_widths: int) -> list[tuple[str, int]]:
    """Return how many condors could be written on all slices, on those of eligible age, and on those with a smile.

    A condor is a listed put, a listed call at a higher strike and a width on each side.
    """
    puts_below = (pl.col("option_type") == "put").cum_sum().over(CONDOR_KEY, order_by=["strike", "option_type"])
    per_slice = (
        quotes.lazy()
        .select(*CONDOR_KEY, "strike", "option_type", n=puts_below)
        .filter(pl.col("option_type") == "call")
        .group_by(CONDOR_KEY)
        .agg(pl.col("n").cast(pl.Int64).sum())
        .collect()
    )
    totals = [int(per_slice.join(group, on=CONDOR_KEY, how="semi")["n"].sum()) * n_widths**2 for group in slices]
    return list(zip(("all", "days_to_expiry", "smile"), totals, strict=True))


def _n_pairs(puts: pl.DataFrame, calls: pl.DataFrame) -> int:
    """Return how many pairs of a put and a call vertical of one slice there are."""
    counted = puts.group_by("slice_row").len("n_puts").join(calls.group_by("slice_row").len("n_calls"), on="slice_row")
    return int((counted["n_puts"].cast(pl.Int64) * counted["n_calls"].cast(pl.Int64)).sum())


def _with_expected_payoffs(chain: pl.DataFrame, laws: dict[str, SettlementLaw]) -> pl.DataFrame:
    """Return the chain with the discounted expected payoff of each option, points, null where there is no law.

    Under the smile's own law that is the fitted price.
    """
    physical = laws.get("physical")
    if physical is None:
        expected: Floats = np.full(chain.height, np.nan)
    else:
        expected = chain["discount_factor"].to_numpy() * physical.expected_payoff(
            chain["strike"].to_numpy(),
            is_call=(chain["option_type"] == "call").to_numpy(),
            slice_row=chain["slice_row"].to_numpy().astype(np.int64),
        )
    return chain.with_columns(
        pl.col("fitted_price").alias("risk_neutral"), pl.Series("physical", expected, nan_to_null=True)
    )


def _verticals(chain: pl.DataFrame, *, option_type: str, settings: CondorSettings) -> pl.DataFrame:
    """Return every credit vertical of one option type: a short option in the delta band and a wing, one row each.

    `is_listed`: the wing's strike is listed; `is_quoted`: both legs are two-sided. Sums are short less long, points.
    """
    sign = -1.0 if option_type == "put" else 1.0
    options = chain.filter(pl.col("option_type") == option_type)
    shorts = options.filter(pl.col("delta").abs().is_between(settings.min_short_delta, settings.max_short_delta))
    widths = pl.DataFrame({"width": sorted(set(settings.wing_widths))}, schema={"width": pl.Float64})
    pairs = shorts.join(widths, how="cross").with_columns(long_strike=pl.col("strike") + sign * pl.col("width"))
    legs = pairs.join(
        options.select("slice_row", "option_row", *_SUMMED, "strike", "bid", "ask", "ask_size", quoted=is_two_sided()),
        left_on=["slice_row", "long_strike"],
        right_on=["slice_row", "strike"],
        how="left",
        suffix="_long",
        validate="m:1",
    )
    short_delta, width = pl.col("delta"), pl.col("width")
    return legs.select(
        "slice_row",
        *CONDOR_KEY,
        "days_to_expiry",
        "discount_factor",
        width,
        pl.col("strike").alias("short"),
        pl.col("long_strike").alias("long"),
        pl.col("option_row").cast(pl.Int64).alias("short_row"),
        pl.col("option_row_long").cast(pl.Int64).alias("long_row"),
        short_delta.alias("short_delta"),
        pl.col("option_row_long").is_not_null().alias("is_listed"),
        (is_two_sided() & pl.col("quoted").fill_null(False)).alias("is_quoted"),
        (pl.col("bid") - pl.col("ask_long")).alias("credit_natural"),
        (0.5 * (pl.col("bid") + pl.col("ask") - pl.col("bid_long") - pl.col("ask_long"))).alias("credit_mid"),
        # Null unless both sizes are known: a missing size is no licence to trade.
        pl.when(pl.col("bid_size").is_not_null() & pl.col("ask_size_long").is_not_null())
        .then(pl.min_horizontal("bid_size", "ask_size_long"))
        .alias("size_at_touch"),
        *((pl.col(name) - pl.col(f"{name}_long")).alias(f"net_{name}") for name in _SUMMED),
    )


_SUMMED = ("delta", "gamma", "vega", "theta", "risk_neutral", "physical")


def _condors(puts: pl.DataFrame, calls: pl.DataFrame, *, settings: CondorSettings) -> pl.DataFrame:
    """Return every pair of verticals of one slice that is a credit and can lose, with its score and spread cost."""
    pairs = puts.join(calls.drop(*CONDOR_KEY, "days_to_expiry", "discount_factor"), on="slice_row", suffix="_call")
    expected = pl.col(f"net_{settings.score_density}") + pl.col(f"net_{settings.score_density}_call")
    both = {
        name: (pl.col(name) + pl.col(f"{name}_call")).round(PRICE_DECIMALS) for name in ("credit_natural", "credit_mid")
    }
    return (
        pairs.lazy()
        .filter(pl.col("short") < pl.col("short_call"))
        .with_columns(**both)
        .filter(
            (pl.col("credit_natural") > 0.0) & (pl.col("credit_natural") < pl.max_horizontal("width", "width_call"))
        )
        .with_columns(max_loss=pl.max_horizontal("width", "width_call") - pl.col("credit_natural"))
        .with_columns(
            score=(pl.col("credit_natural") - expected) / pl.col("max_loss"),
            spread_cost_ratio=(pl.col("credit_mid") - pl.col("credit_natural")) / pl.col("credit_mid"),
        )
        .collect()
    )


def _ranked(condors: pl.DataFrame) -> pl.DataFrame:
    """Return the condors that have a score, best first."""
    distance = (pl.col("days_to_expiry") - BEST_DAYS_TO_EXPIRY).abs()
    order = [-pl.col("score"), pl.col("spread_cost_ratio"), distance, pl.col("slice_row")]
    return condors.filter(pl.col("score").is_not_null()).sort([*order, "short", "short_call", "width", "width_call"])


def _measured(
    kept: pl.DataFrame, legs: PricedLegs, *, laws: dict[str, SettlementLaw], settings: CondorSettings
) -> pl.DataFrame:
    """Return mart.condor_candidate of the ranked condors."""
    credit, put_width, call_width = pl.col("credit_natural"), pl.col("width"), pl.col("width_call")
    widths = kept["width"].to_numpy(), kept["width_call"].to_numpy()
    fees = len(LEGS) * settings.fee_per_contract
    margin = condor_margin(*widths)
    frame = kept.with_columns(
        # A side whose wing is not wider than the whole credit never loses: it has no break-even.
        break_even_low=pl.when(put_width > credit).then((pl.col("short") - credit).round(PRICE_DECIMALS)),
        break_even_high=pl.when(call_width > credit).then((pl.col("short_call") + credit).round(PRICE_DECIMALS)),
    )
    chances = {name: _probability_of_profit(frame, law) for name, law in laws.items()}
    unknown = pl.lit(None, dtype=pl.Float64)
    both = {name: pl.col(f"net_{name}") + pl.col(f"net_{name}_call") for name in _SUMMED}
    return CONDOR_CANDIDATE.conform(
        frame.with_row_index("rank", offset=1).select(
            *CONDOR_KEY,
            candidate_id=_candidate_id(),
            days_to_expiry=pl.col("days_to_expiry"),
            put_long=pl.col("long"),
            put_short=pl.col("short"),
            call_short=pl.col("short_call"),
            call_long=pl.col("long_call"),
            put_short_delta=pl.col("short_delta"),
            call_short_delta=pl.col("short_delta_call"),
            credit_mid=pl.col("credit_mid"),
            credit_natural=credit,
            max_profit=credit,
            max_loss=pl.col("max_loss"),
            break_even_low=pl.col("break_even_low"),
            break_even_high=pl.col("break_even_high"),
            probability_of_profit=chances.get("risk_neutral", unknown),
            probability_of_profit_physical=chances.get("physical", unknown),
            expected_value=credit - both["risk_neutral"],
            expected_value_physical=credit - both["physical"],
            **{name: -both[name] for name in ("delta", "gamma", "vega", "theta")},
            spread_cost_ratio=pl.col("spread_cost_ratio"),
            size_at_touch=pl.when(
                pl.col("size_at_touch").is_not_null() & pl.col("size_at_touch_call").is_not_null()
            ).then(pl.min_horizontal("size_at_touch", "size_at_touch_call")),
            margin=pl.Series(margin),
            portfolio_margin=pl.Series(_portfolio_margin(kept, legs), nan_to_null=True),
            capital_at_risk=pl.Series(capital_at_risk(frame["max_loss"].to_numpy(), fees=fees)),
            return_on_margin=100.0 * credit / pl.Series(margin),
            score=pl.col("score"),
            rank=pl.col("rank").cast(pl.Int64),
        )
    )


def _candidate_id() -> pl.Expr:
    """Return a name that states the condor: root, expiration, strikes from low to high."""
    day = pl.col("expiration").dt.to_string("%Y-%m-%d")
    strikes = pl.concat_str([strike_name(name) for name in ("long", "short", "short_call", "long_call")], separator="/")
    return pl.concat_str("root", day, strikes, separator=" ")


def _probability_of_profit(frame: pl.DataFrame, law: SettlementLaw) -> pl.Series:
    """Return P(break_even_low < S_T < break_even_high), decimal; a side without a break-even never loses."""
    slice_row = frame["slice_row"].to_numpy().astype(np.int64)
    low, high = (
        law.probability_below(frame[name].fill_null(np.nan).to_numpy(), slice_row=slice_row)
        for name in ("break_even_low", "break_even_high")
    )
    return pl.Series(np.where(np.isnan(high), 1.0, high) - np.where(np.isnan(low), 0.0, low))


def _portfolio_margin(kept: pl.DataFrame, legs: PricedLegs) -> Floats:
    """Return the portfolio-margin estimate of each condor, dollars."""
    rows = [kept[name].to_numpy() for name in ("short_row", "long_row", "short_row_call", "long_row_call")]
    used = np.unique(np.concatenate(rows))
    priced = legs.take(used)
    forwards = priced.forward[:, None] * (1.0 + np.concatenate(([0.0], SPX_MOVES)))
    values = priced.value(forwards)
    change = values[:, 1:] - values[:, :1]
    profit = sum(
        sign * change[np.searchsorted(used, row)] for sign, row in zip((-1.0, 1.0, -1.0, 1.0), rows, strict=True)
    )
    return portfolio_margin_estimate(np.asarray(profit), n_contracts=float(len(LEGS)))
