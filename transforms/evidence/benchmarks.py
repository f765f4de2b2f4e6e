"""The two published indices a condor and a tail hedge are held against, rebuilt from one's own chains.

CNDR, the Cboe S&P 500 Iron Condor Index: short the 20-delta put and call, long the 5-delta put and call of the next
monthly SPX expiration, on Treasury bills of ten times the most the condor can lose; rolled on the third Friday after
the old options have settled. VXTH, the Cboe VIX Tail Hedge Index: S&P 500 total return and one-month 30-delta VIX
calls, 1 % of the value where the future stands above 15 and up to 30, 0.5 % above 30 and up to 50, none else; rolled at
VIX expirations. Sources: Cboe's index pages (deltas, ten times, third Fridays about 11:00); the weights are from
secondary sources.

What differs from the published indices: the roll is at the session's snapshot and not about 11:00, at the touch and not
at an average of trades, and dividends are those that one's own forwards imply, paid evenly.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.sessions import ONE_DAY, TradingCalendar, next_month, spx_monthly_expiration, vix_monthly_expiration

START_LEVEL = 100.0
BILLS_OVER_MAX_LOSS = 10.0
DAYS_A_YEAR = 365.0
# Leg, option type, delta wanted, contracts held.
CONDOR_LEGS = (
    ("put_long", "put", -0.05, 1.0),
    ("put_short", "put", -0.20, -1.0),
    ("call_short", "call", 0.20, -1.0),
    ("call_long", "call", 0.05, 1.0),
)
HEDGE_DELTA = 0.30
# Future above, up to and with, weight of the calls.
HEDGE_WEIGHTS = ((15.0, 30.0, 0.01), (30.0, 50.0, 0.005))
# Years to expiration of the nearest slice that says anything of dividends.
SHORTEST_OF_DIVIDENDS = 0.25
NO_RATE = "a Treasury bill rate by the roll"
NO_CLOSE = "the SPX close of the session or of the roll"
NO_SETTLED_MONTH = "the level that an earlier month ended on"
CHAIN_COLUMNS = ("session_date", "root", "expiration", "strike", "option_type", "bid", "ask", "mid", "delta")


@dataclass(frozen=True)
class RebuiltIndex:
    """An index and its rolls.

    daily: session_date, level (100 at the first roll; null where a leg has no mark, and from a month on that cannot be
    settled), missing (what the level lacks; null where there is one), rolled_on and expiration (of the month that the
    session is in, at its close). rolls: one row per roll that opened options, what it opened at which prices.
    """

    daily: pl.DataFrame
    rolls: pl.DataFrame


def condor_index(
    chain: pl.DataFrame,
    *,
    settlement_value: pl.DataFrame,
    bill_rate: pl.DataFrame,
    calendar: TradingCalendar,
    through: date | None = None,
    fill_slippage: float = 1.0,
) -> RebuiltIndex:
    """Return CNDR rebuilt over the sessions of a chain, from the first monthly SPX expiration on.

    Between rolls the value is bills, the credit in them, less what the condor costs at its mids; a month whose roll
    session has no complete condor (its four legs two-sided, in order, with a loss it can make) is spent in bills.

    Parameters
    ----------
    chain : session_date, root, expiration, strike, option_type, bid, ask, mid, delta
        `marked_chain`; SPX alone is read, of each session the expirations held.
    settlement_value : core.settlement_value
    bill_rate : session_date, rate (decimal a year)
        Of a bill; a roll takes the last one published by its session, at simple interest for the month.
    calendar : New York sessions
    through : the index rolls up to this session; up to the last of the chain unless given
    fill_slippage : half-spreads paid beyond the mid

    Returns
    -------
    RebuiltIndex
        rolls: session_date, expiration, put_long, put_short, call_short, call_long (strikes, points), credit and
        max_loss (points), rate.
    """
    quotes = _settling(chain.filter(pl.col("root") == "SPX").select(CHAIN_COLUMNS), calendar)
    settled = _settling(settlement_value.filter(pl.col("root") == "SPX"), calendar)
    months = _months(quotes, calendar, of="SPX", through=through)
    opened = _opened_condors(quotes, months, fill_slippage=fill_slippage)
    rates = bill_rate.select("session_date", "rate").drop_nulls().sort("session_date")
    rolls = (
        months.join(opened, on=["session_date", "expiration"], how="left", validate="1:1")
        .sort("session_date")
        .join_asof(rates, on="session_date", strategy="backward")
    )
    strikes = {leg: (kind, quantity) for leg, kind, _, quantity in CONDOR_LEGS}
    legs = pl.concat(
        rolls.drop_nulls("credit").select(
            pl.col("session_date").alias("rolled_on"), "expiration", pl.col(leg).alias("strike"),
            option_type=pl.lit(kind), quantity=pl.lit(quantity),
        )
        for leg, (kind, quantity) in strikes.items()
    )  # fmt: skip
    worth = _worth(legs, quotes, settlement_value=settled)
    months_days = _days_of_months(quotes, months)
    capital = BILLS_OVER_MAX_LOSS * pl.col("max_loss")
    interest = 1.0 + pl.col("rate") * (pl.col("session_date") - pl.col("rolled_on")).dt.total_days() / DAYS_A_YEAR
    growth = (
        months_days.join(rolls.rename({"session_date": "rolled_on"}), on=["rolled_on", "expiration"], how="left")
        .join(worth, on=["session_date", "rolled_on"], how="left", validate="1:1")
        .select(
            "session_date",
            "rolled_on",
            "expiration",
            growth=pl.when(pl.col("credit").is_null())
            .then(interest)
            .otherwise((capital + pl.col("credit")) / capital * interest + pl.col("worth") / capital),
            missing=pl.when(pl.col("rate").is_null()).then(pl.lit(NO_RATE)).otherwise(_mark_missing("SPX")),
        )
    )
    shown = ("session_date", "expiration", *strikes, "credit", "max_loss", "rate")
    return RebuiltIndex(_chained(growth), rolls.drop_nulls("credit").select(shown))


def tail_hedge_index(
    chain: pl.DataFrame,
    *,
    total_return: pl.DataFrame,
    futures: pl.DataFrame,
    settlement_value: pl.DataFrame,
    calendar: TradingCalendar,
    through: date | None = None,
    fill_slippage: float = 1.0,
) -> RebuiltIndex:
    """Return VXTH rebuilt over the sessions of a chain, from the first monthly VIX expiration on.

    The calls are bought at the session of a VIX expiration and settle on the morning of the next; in a month whose roll
    session has no such call two-sided, or no future, there are none.

    Parameters
    ----------
    chain : as for `condor_index`; VIX alone is read, of each session the calls held
    total_return : session_date, level
        S&P 500 with dividends; see `with_dividends`.
    futures : session_date, expiration, settle (points)
        core.futures_settlement: the future of the month bought sets the weight.
    settlement_value : core.settlement_value
    calendar : New York sessions
    through : the index rolls up to this session; up to the last of the chain unless given
    fill_slippage : half-spreads paid beyond the mid

    Returns
    -------
    RebuiltIndex
        rolls: session_date, expiration, strike, future, price (points), weight (decimal).
    """
    calls_quoted = (pl.col("root") == "VIX") & (pl.col("option_type") == "call")
    quotes = _settling(chain.filter(calls_quoted).select(CHAIN_COLUMNS), calendar)
    settled = _settling(settlement_value.filter(pl.col("root") == "VIX"), calendar)
    months = _months(quotes, calendar, of="VIX", through=through)
    weight = pl.lit(0.0)
    for above, up_to, share in HEDGE_WEIGHTS:
        weight = pl.when((pl.col("future") > above) & (pl.col("future") <= up_to)).then(share).otherwise(weight)
    calls = _nearest(_of_months(quotes, months), HEDGE_DELTA).select(
        "session_date", "expiration", "strike",
        price=pl.col("mid") + fill_slippage * 0.5 * (pl.col("ask") - pl.col("bid")),
    )  # fmt: skip
    future = futures.select("session_date", "expiration", future="settle")
    rolls = (
        months.join(calls, on=["session_date", "expiration"], how="left", validate="1:1")
        .join(future, on=["session_date", "expiration"], how="left", validate="1:1")
        .with_columns(weight=pl.when(pl.col("price").is_not_null() & pl.col("future").is_not_null()).then(weight))
        .with_columns(pl.col("weight").fill_null(0.0))
        .sort("session_date")
    )
    legs = rolls.filter(pl.col("weight") > 0.0).select(
        pl.col("session_date").alias("rolled_on"), "expiration", "strike",
        option_type=pl.lit("call"), quantity=pl.lit(1.0),
    )  # fmt: skip
    worth = _worth(legs, quotes, settlement_value=settled)
    levels = total_return.select("session_date", "level")
    at_roll = levels.rename({"session_date": "rolled_on", "level": "level_at_roll"})
    hedge = pl.when(pl.col("weight") > 0.0).then(pl.col("weight") * pl.col("worth") / pl.col("price")).otherwise(0.0)
    growth = (
        _days_of_months(levels.filter(pl.col("session_date") <= (through or _last(quotes))), months)
        .join(rolls.rename({"session_date": "rolled_on"}), on=["rolled_on", "expiration"], how="left")
        .join(levels, on="session_date", how="left", validate="m:1")
        .join(at_roll, on="rolled_on", how="left", validate="m:1")
        .join(worth, on=["session_date", "rolled_on"], how="left", validate="1:1")
        .select(
            "session_date",
            "rolled_on",
            "expiration",
            growth=(1.0 - pl.col("weight")) * pl.col("level") / pl.col("level_at_roll") + hedge,
            missing=pl.when(pl.col("level").is_null() | pl.col("level_at_roll").is_null())
            .then(pl.lit(NO_CLOSE))
            .otherwise(_mark_missing("VIX")),
        )
    )
    shown = ("session_date", "expiration", "strike", "future", "price", "weight")
    return RebuiltIndex(_chained(growth), rolls.filter(pl.col("weight") > 0.0).select(shown))


def implied_dividend_yield(slices: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `dividend_yield` (decimal a year, continuous): what SPX forwards imply of dividends.

    ln(close/(forward x discount factor))/years, the median over the slices of three months or more; nearer ones say
    more of the gap between the clocks of options and index. No row where there is no such slice.

    Parameters
    ----------
    slices : feature.slice; of it SPX and SPXW
    closes : session_date, close (points)
    """
    implied = (pl.col("close") / (pl.col("forward") * pl.col("discount_factor"))).log() / pl.col("time_to_expiry")
    return (
        slices.filter(pl.col("root").is_in(["SPX", "SPXW"]) & (pl.col("time_to_expiry") >= SHORTEST_OF_DIVIDENDS))
        .join(closes, on="session_date", how="inner", validate="m:1")
        .select("session_date", dividend_yield=implied)
        .drop_nulls()
        .group_by("session_date")
        .agg(pl.col("dividend_yield").median())
        .sort("session_date")
    )


def with_dividends(closes: pl.DataFrame, dividend_yield: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `level` (points of the first close), `has_dividends`: an index with dividends reinvested.

    Between two sessions they are paid at the last yield known at the first of them; none while none is known.

    Parameters
    ----------
    closes : session_date, close (points)
    dividend_yield : `implied_dividend_yield`
    """
    known = closes.sort("session_date").join_asof(
        dividend_yield.sort("session_date"), on="session_date", strategy="backward"
    )
    days = pl.col("session_date").diff().dt.total_days()
    paid = (pl.col("dividend_yield").shift(1) * days / DAYS_A_YEAR).fill_null(0.0).cum_sum()
    return known.select(
        "session_date",
        level=pl.col("close") * paid.exp(),
        has_dividends=pl.col("dividend_yield").shift(1).is_not_null(),
    )


def marked_chain(quotes: pl.DataFrame, analytics: pl.DataFrame) -> pl.DataFrame:
    """Return the chain that the indices read, of a session's core.option_quote and feature.option_analytics.

    As in the book, `mid` is the middle of a two-sided quote and else the smile's price; null where there is neither.
    """
    key = ["session_date", "root", "expiration", "strike", "option_type"]
    own = analytics.select(*key, "mid", "fitted_price", "delta")
    two_sided = (pl.col("bid") > 0.0) & (pl.col("ask") >= pl.col("bid"))
    return (
        quotes.join(own, on=key, how="left", validate="1:1")
        .with_columns(mid=pl.coalesce(pl.when(two_sided).then("mid"), "fitted_price"))
        .select(CHAIN_COLUMNS)
    )


def options_held(quotes: pl.DataFrame, session_date: date, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return the rows of a session that the indices can hold or open: SPX and VIX calls of the next monthly expiration.

    `quotes` has root, expiration and option_type.
    """
    found = []
    for root, kinds in (("SPX", ["put", "call"]), ("VIX", ["call"])):
        settles_on = next_expiration(root, session_date, calendar=calendar)
        # Up to the Saturday that was printed until 2015.
        months = pl.col("expiration").is_between(settles_on, calendar.after(settles_on), closed="left")
        found.append((pl.col("root") == root) & pl.col("option_type").is_in(kinds) & months)
    return quotes.filter(pl.any_horizontal(found))


def next_expiration(root: str, session_date: date, *, calendar: TradingCalendar) -> date:
    """Return the first monthly expiration of SPX or VIX options after a session."""
    rule = spx_monthly_expiration if root == "SPX" else vix_monthly_expiration
    year, month = session_date.year, session_date.month
    while (day := rule(year, month, calendar=calendar)) <= session_date:
        year, month = next_month(year, month)
    return day


def _settling(frame: pl.DataFrame, calendar: TradingCalendar) -> pl.DataFrame:
    """Return the rows with the session on which they settle as expiration: Saturdays were printed until 2015."""
    sessions = pl.DataFrame({"settles_on": calendar.sessions}, schema={"settles_on": pl.Date()})
    return (
        frame.sort("expiration")
        .join_asof(sessions, left_on="expiration", right_on="settles_on", strategy="backward", coalesce=False)
        .with_columns(expiration="settles_on")
        .drop("settles_on")
    )


def _last(quotes: pl.DataFrame) -> date | None:
    last = quotes["session_date"].max()
    return last if isinstance(last, date) else None


def _months(quotes: pl.DataFrame, calendar: TradingCalendar, *, of: str, through: date | None) -> pl.DataFrame:
    """Return the rolls: `session_date` (an expiration the sessions hold) and `expiration` (the next one)."""
    first, last = quotes["session_date"].min(), through or _last(quotes)
    rolls: list[tuple[date, date]] = []
    if isinstance(first, date) and last is not None:
        day = next_expiration(of, first - ONE_DAY, calendar=calendar)
        while day <= last:
            rolls.append((day, next_expiration(of, day, calendar=calendar)))
            day = rolls[-1][1]
    return pl.DataFrame(rolls, schema={"session_date": pl.Date(), "expiration": pl.Date()}, orient="row")


def _of_months(quotes: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
    """Return the two-sided quotes of each roll session in the expiration it opens."""
    two_sided = (pl.col("bid") > 0.0) & (pl.col("ask") >= pl.col("bid")) & pl.col("delta").is_not_null()
    return quotes.filter(two_sided).join(months, on=["session_date", "expiration"], how="semi")


def _nearest(quotes: pl.DataFrame, delta: float) -> pl.DataFrame:
    """Return of each session and expiration the quote nearest to a delta, the lower strike of two as near."""
    return (
        quotes.with_columns(distance=(pl.col("delta") - delta).abs())
        .sort("session_date", "expiration", "distance", "strike")
        .unique(["session_date", "expiration"], keep="first", maintain_order=True)
    )


def _opened_condors(quotes: pl.DataFrame, months: pl.DataFrame, *, fill_slippage: float) -> pl.DataFrame:
    """Return of each roll session the strikes, credit and max_loss of the condor it opens; none where it cannot."""
    at_roll = _of_months(quotes, months)
    half_spread = 0.5 * (pl.col("ask") - pl.col("bid"))
    found = months
    for leg, kind, delta, quantity in CONDOR_LEGS:
        fill = quantity * pl.col("mid") + fill_slippage * half_spread
        own = _nearest(at_roll.filter(pl.col("option_type") == kind), delta).select(
            "session_date", "expiration", pl.col("strike").alias(leg), fill.alias(f"{leg}_cost")
        )
        found = found.join(own, on=["session_date", "expiration"], how="inner", validate="1:1")
    width = pl.max_horizontal(pl.col("put_short") - pl.col("put_long"), pl.col("call_long") - pl.col("call_short"))
    in_order = (
        (pl.col("put_long") < pl.col("put_short"))
        & (pl.col("put_short") < pl.col("call_short"))
        & (pl.col("call_short") < pl.col("call_long"))
    )
    return (
        found.with_columns(credit=-pl.sum_horizontal(f"{leg}_cost" for leg, *_ in CONDOR_LEGS))
        .with_columns(max_loss=width - pl.col("credit"))
        .filter(in_order & (pl.col("max_loss") > 0.0))
        .drop(f"{leg}_cost" for leg, *_ in CONDOR_LEGS)
    )


def _worth(legs: pl.DataFrame, quotes: pl.DataFrame, *, settlement_value: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `rolled_on`, `worth` of what was opened: at mids, on the last day at its payoff, points.

    No row where a leg has no mid or the month no settlement value.
    """
    key = ["expiration", "strike", "option_type"]
    marked = legs.join(quotes.select("session_date", *key, "mid"), on=key, how="inner").filter(
        (pl.col("session_date") >= pl.col("rolled_on")) & (pl.col("session_date") < pl.col("expiration"))
    )
    values = settlement_value.select("expiration", "value")
    sign = pl.when(pl.col("option_type") == "call").then(1.0).otherwise(-1.0)
    settled = legs.join(values, on="expiration", how="inner", validate="m:1").select(
        *legs.columns,
        session_date="expiration",
        mid=(sign * (pl.col("value") - pl.col("strike"))).clip(lower_bound=0.0),
    )
    n_legs = legs.group_by("rolled_on").agg(pl.len().alias("n_legs"))
    return (
        pl.concat([marked.select(sorted(marked.columns)), settled.select(sorted(marked.columns))])
        .drop_nulls("mid")
        .sort("session_date", *key)
        .group_by("session_date", "rolled_on", maintain_order=True)
        .agg((pl.col("quantity") * pl.col("mid")).sum().alias("worth"), pl.len().alias("n"))
        .join(n_legs, on="rolled_on", how="inner", validate="m:1")
        .filter(pl.col("n") == pl.col("n_legs"))
        .select("session_date", "rolled_on", "worth")
    )


def _days_of_months(dated: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
    """Return the days of each month: `session_date` from `rolled_on` to `expiration`, both ends in it."""
    rolls = months.select("session_date")
    days = pl.concat([dated.select("session_date"), rolls]).unique().sort("session_date")
    return days.join_where(
        months.rename({"session_date": "rolled_on"}),
        pl.col("session_date") >= pl.col("rolled_on"),
        pl.col("session_date") <= pl.col("expiration"),
    ).sort("rolled_on", "session_date")


def _chained(growth: pl.DataFrame) -> pl.DataFrame:
    """Return the level of each session from the growth since each roll; a roll session ends a month and opens one."""
    months = (
        growth.sort("rolled_on", "session_date")
        .group_by("rolled_on", maintain_order=True)
        .agg(pl.col("growth").last().alias("of_month"))
        .with_columns(level_at_roll=START_LEVEL * pl.col("of_month").cum_prod().shift(1).fill_null(1.0))
    )
    missing = pl.col("of_month").shift(1).is_null() & (pl.int_range(pl.len()) > 0)
    months = months.with_columns(level_at_roll=pl.when(missing.cum_max()).then(None).otherwise(pl.col("level_at_roll")))
    grown = pl.when(pl.col("session_date") == pl.col("rolled_on")).then(1.0).otherwise("growth")
    level = pl.col("level_at_roll") * grown
    lacking = pl.when(pl.col("level_at_roll").is_null()).then(pl.lit(NO_SETTLED_MONTH)).otherwise("missing")
    return (
        growth.join(months, on="rolled_on", how="inner", validate="m:1")
        .sort("session_date", "rolled_on")
        # On a roll session what was held is worth what the new month starts from.
        .unique("session_date", keep="last", maintain_order=True)
        .select(
            "session_date", level=level, missing=pl.when(level.is_null()).then(lacking),
            rolled_on="rolled_on", expiration="expiration",
        )
    )  # fmt: skip


def _mark_missing(root: str) -> pl.Expr:
    """Return what a session lacks that has no worth of its options."""
    return (
        pl.when(pl.col("session_date") == pl.col("expiration"))
        .then(pl.lit(f"the settlement value of the {root} options that expire"))
        .otherwise(pl.lit(f"a quote of the {root} options held"))
    )
