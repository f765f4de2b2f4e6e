"""The life of a finding: first seen, still open, closed, and what it would have earned a session later.

Everything here runs through time, from the first session on, and looks back only: a row of session T rests on the
findings, quotes and settlements of sessions up to T. "The session after" is the next one of the exchange calendar;
where it has no chain nothing is known of the finding, and a later sighting is a new one.
"""

import heapq

import polars as pl

from transforms.indicators.session_grid import numbered_sessions
from transforms.mispricing.finding_frames import FUTURE_MULTIPLIER, OPTION_MULTIPLIER
from transforms.schemas import DETECTOR_RECORD, MISPRICING, MISPRICING_OUTCOME
from transforms.sessions import TradingCalendar

OPTION_KEY = ["root", "expiration", "strike", "option_type"]


def with_life(findings: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return mart.mispricing: findings of all sessions with first_seen and sessions_open.

    `findings` are rows without the two, of every session from the first. sessions_open counts consecutive sessions up
    to the row's own.
    """
    number, own = pl.col("session_number"), "finding_id"
    numbered = findings.join(numbered_sessions(calendar).collect(), on="session_date", how="inner", validate="m:1")
    started = (number != number.shift(1) + 1).fill_null(True).over(own, order_by="session_date")
    runs = (
        numbered.sort(own, "session_date")
        .with_columns(
            pl.when(started).then("session_date").alias("first_seen"), pl.when(started).then(number).alias("n")
        )
        .with_columns(pl.col("first_seen", "n").forward_fill().over(own, order_by="session_date"))
    )
    return MISPRICING.conform(
        runs.with_columns((number - pl.col("n") + 1).alias("sessions_open")).select(MISPRICING.column_names)
    )


def observed_roots(quotes: pl.DataFrame, futures: pl.DataFrame) -> pl.DataFrame:
    """Return (session_date, root) pairs on which findings of a root can be seen: it has quotes, or VX a settlement."""
    pairs = [quotes.select("session_date", "root"), futures.select("session_date", "root")]
    return pl.concat(pairs).unique().sort("session_date", "root")


def mispricing_outcome(
    findings: pl.DataFrame,
    legs: pl.DataFrame,
    *,
    quotes: pl.DataFrame,
    slices: pl.DataFrame,
    futures: pl.DataFrame,
    settlement_value: pl.DataFrame,
    calendar: TradingCalendar,
    fee_per_contract: float,
) -> pl.DataFrame:
    """Return mart.mispricing_outcome: what became of each finding on the session after.

    A finding whose root was not observed on that session has no row.

    Parameters
    ----------
    findings, legs : mart.mispricing and mart.mispricing_leg
        Any sessions; to judge a session T they must hold T and the session before.
    quotes, slices, futures, settlement_value : core.option_quote, feature.slice, core.futures_settlement,
        core.settlement_value; rows of other sessions do no harm.
    fee_per_contract : dollars a contract of options, paid to enter and to leave, not to settle

    Notes
    -----
    exit_edge_dollars: every leg taken off at T's executable price: what was bought at the bid (an offered option
    without a bid is worth 0), what was sold at the ask; an option settled by T at its payoff; a future at its
    settlement; a synthetic VIX forward at the end of T's forward interval against it; cash unchanged. Of as many
    packages as the sizes at the touch allowed, one where they are unknown. Null if a leg has no such price.
    """
    numbers = numbered_sessions(calendar).collect()
    following = numbers.select(
        pl.col("session_date").alias("observed_on"), (pl.col("session_number") - 1).alias("session_number")
    )
    after = (
        findings.join(numbers, on="session_date", how="inner", validate="m:1")
        .join(following, on="session_number", how="inner", validate="m:1")
        .join(
            observed_roots(quotes, futures).rename({"session_date": "observed_on"}),
            on=["observed_on", "root"],
            how="semi",
        )
    )
    again = findings.select("finding_id", pl.col("session_date").alias("observed_on"), pl.lit(True).alias("is_open"))
    profits = (
        _exit_prices(
            legs.join(after.select("session_date", "finding_id", "observed_on"), on=["session_date", "finding_id"]),
            quotes=quotes,
            slices=slices,
            futures=futures,
            settlement_value=settlement_value,
        )
        .with_columns(_leg_profit(fee_per_contract).alias("profit"))
        .sort("session_date", "finding_id", "leg")
        .group_by("session_date", "finding_id", maintain_order=True)
        .agg(pl.when(pl.col("profit").null_count() == 0).then(pl.col("profit").sum()).alias("profit"))
    )
    packages = pl.max_horizontal(pl.col("capacity_contracts").fill_null(1), 1)
    return MISPRICING_OUTCOME.conform(
        after.join(profits, on=["session_date", "finding_id"], how="left", validate="1:1")
        .join(again, on=["observed_on", "finding_id"], how="left", validate="1:1")
        .select(
            pl.col("observed_on").alias("session_date"),
            "finding_id",
            "kind",
            pl.when("is_open").then(pl.lit("open")).otherwise(pl.lit("closed")).alias("status"),
            (packages * pl.col("profit")).alias("exit_edge_dollars"),
        )
    )


def _exit_prices(
    legs: pl.DataFrame,
    *,
    quotes: pl.DataFrame,
    slices: pl.DataFrame,
    futures: pl.DataFrame,
    settlement_value: pl.DataFrame,
) -> pl.DataFrame:
    """Return the legs with `exit_price` (points; null if unknown) and `is_settled`, as of `observed_on`."""
    bought, instrument = pl.col("side") == "buy", pl.col("instrument")
    day = {"session_date": "observed_on"}
    quoted = quotes.select("session_date", *OPTION_KEY, "bid", "ask").rename(day)
    forwards = slices.select("session_date", "root", "expiration", "forward_low", "forward_high").rename(day)
    settles = futures.select("session_date", "root", "expiration", pl.col("settle").alias("future")).rename(day)
    values = settlement_value.select("root", "expiration", pl.col("value").alias("settled_at"))
    sign = pl.when(pl.col("option_type") == "call").then(1.0).otherwise(-1.0)
    settled = (
        (instrument == "option") & pl.col("settled_at").is_not_null() & (pl.col("expiration") <= pl.col("observed_on"))
    )
    at_quote = (
        pl.when(bought)
        .then(pl.when(pl.col("ask") > 0.0).then("bid"))
        .otherwise(pl.when(pl.col("ask") > 0.0).then("ask"))
    )
    # The forward of SPX in a forward_variance finding is of variance: no interval of index levels prices it.
    interval = pl.when(pl.col("root").is_in(["VIX", "VIXW"])).then(
        pl.when(bought).then("forward_low").otherwise("forward_high")
    )
    return (
        legs.join(quoted, on=["observed_on", *OPTION_KEY], how="left", validate="m:1")
        .join(forwards, on=["observed_on", "root", "expiration"], how="left", validate="m:1")
        .join(settles, on=["observed_on", "root", "expiration"], how="left", validate="m:1")
        .join(values, on=["root", "expiration"], how="left", validate="m:1")
        .with_columns(settled.alias("is_settled"))
        .with_columns(
            pl.when("is_settled")
            .then((sign * (pl.col("settled_at") - pl.col("strike"))).clip(lower_bound=0.0))
            .when(instrument == "option")
            .then(at_quote)
            .when(instrument == "future")
            .then("future")
            .when(instrument == "forward")
            .then(interval)
            .otherwise("price")
            .alias("exit_price")
        )
    )


def _leg_profit(fee_per_contract: float) -> pl.Expr:
    """Return dollars a leg of one package earned between its price and its exit price, after its fees."""
    is_option, is_future = pl.col("instrument") == "option", pl.col("instrument") == "future"
    sign = pl.when(pl.col("side") == "buy").then(1.0).otherwise(-1.0)
    multiplier = pl.when(is_future).then(FUTURE_MULTIPLIER).otherwise(OPTION_MULTIPLIER)
    trades = pl.when(~is_option).then(0.0).when("is_settled").then(1.0).otherwise(2.0)
    gain = sign * (pl.col("exit_price") - pl.col("price")) * multiplier
    return pl.col("quantity") * (gain - fee_per_contract * trades)


def detector_record(findings: pl.DataFrame, outcomes: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return mart.detector_record: what each kind has found, and what became of it, up to and including each session.

    Parameters
    ----------
    findings : mart.mispricing, all sessions from the first
    outcomes : mart.mispricing_outcome, all sessions

    Notes
    -----
    One row per kind and session with a finding or an outcome of any kind, from the kind's first finding on. A finding
    counts once, when it is first seen; its outcome is that of the session after.
    """
    numbers = numbered_sessions(calendar).collect()
    new = findings.filter(pl.col("first_seen") == pl.col("session_date"))
    seen = new.join(numbers, on="session_date", how="inner", validate="m:1").select(
        "finding_id", (pl.col("session_number") + 1).alias("session_number")
    )
    judged = (
        outcomes.join(numbers, on="session_date", how="inner", validate="m:1")
        .join(seen, on=["finding_id", "session_number"], how="semi")
        .sort("kind", "session_date", "finding_id")
    )
    key = ["kind", "session_date"]
    counts = new.group_by(key).agg(pl.len().alias("found"), pl.col("from_flagged_quotes").sum().alias("flagged"))
    ends = judged.group_by(key).agg(pl.len().alias("judged"), (pl.col("status") == "open").sum().alias("open"))
    known = judged.filter(pl.col("exit_edge_dollars").is_not_null())
    medians = (
        known.with_columns(_running_medians(known["kind"], known["exit_edge_dollars"]))
        .group_by(key, maintain_order=True)
        .agg(pl.col("median_outcome").last())
    )
    sessions = pl.concat([findings.select("session_date"), outcomes.select("session_date")]).unique()
    totals = ("found", "flagged", "judged", "open")
    rows = (
        new.select("kind")
        .unique()
        .join(sessions, how="cross")
        .join(counts, on=key, how="left", validate="1:1")
        .join(ends, on=key, how="left", validate="1:1")
        .join(medians, on=key, how="left", validate="1:1")
        .with_columns(pl.col(*totals).fill_null(0).cast(pl.Int64).cum_sum().over("kind", order_by="session_date"))
        .with_columns(pl.col("median_outcome").forward_fill().over("kind", order_by="session_date"))
        .filter(pl.col("found") > 0)
    )
    return DETECTOR_RECORD.conform(
        rows.select(
            "session_date",
            "kind",
            pl.col("found").alias("n_found"),
            pl.when(pl.col("judged") > 0).then(pl.col("open") / pl.col("judged")).alias("share_open_next"),
            "median_outcome",
            (pl.col("flagged") / pl.col("found")).alias("share_flagged"),
        )
    )


def _running_medians(kind: pl.Series, value: pl.Series) -> pl.Series:
    """Return the median of the values of a row's kind up to the row; rows come by kind."""
    medians: list[float] = []
    of_kind: dict[str, _RunningMedian] = {}
    for name, number in zip(kind.to_list(), value.to_list(), strict=True):
        medians.append(of_kind.setdefault(name, _RunningMedian()).after(number))
    return pl.Series("median_outcome", medians, dtype=pl.Float64)


class _RunningMedian:
    """The median of the numbers seen so far: the lower half in a max-heap (negated), the upper in a min-heap."""

    def __init__(self) -> None:
        """Start without numbers."""
        self._low: list[float] = []
        self._high: list[float] = []

    def after(self, number: float) -> float:
        """Take one more number and return the median."""
        heapq.heappush(self._high, -heapq.heappushpop(self._low, -number))
        if len(self._high) > len(self._low):
            heapq.heappush(self._low, -heapq.heappop(self._high))
        return -self._low[0] if len(self._low) > len(self._high) else 0.5 * (self._high[0] - self._low[0])
