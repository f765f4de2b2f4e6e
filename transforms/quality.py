"""Session gates: whether a snapshot of option quotes can be what it claims to be.

Row rules see one row; a chain in which every row is sound can still be half a chain, a chain of zeros, or
yesterday's. Gates compare a snapshot with an absolute floor and with the sessions before it, never with later
ones, and depend on the set of snapshots alone, not on the order in which they were imported.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.mispricing.contradictions import contradicting_quotes
from transforms.sessions import TradingCalendar, option_close

SNAPSHOT_KEY = ["source_sha256", "session_date", "root", "snapshot_kind"]
# 48 bits an expiration: enough, because a copy agrees on all of them; short, because every snapshot has them.
HASH_DIGITS = 12
# An excerpt of a chain (vendors' samples hold two or four rows a session) has no count to fall short of.
MIN_MEDIAN_ROWS = 20
# Fewer contradicting quotes can be a true lock or two in a small chain.
MIN_CONTRADICTING = 10
MIN_PARITY_PAIRS = 3
# A discount factor is 0.7 to 1.01; a price scale off by a power of ten, or a sign, is far outside.
PARITY_FALL = (0.5, 1.5)
SUMMARY_SCHEMA: dict[str, pl.DataType] = {
    "source_sha256": pl.String(),
    "session_date": pl.Date(),
    "root": pl.String(),
    "snapshot_kind": pl.String(),
    "quote_ts": pl.Datetime("us"),
    "n_rows": pl.Int64(),
    "n_two_sided": pl.Int64(),
    "two_sided_share": pl.Float64(),
    "n_zero_zero": pl.Int64(),
    "n_expirations": pl.Int64(),
    "median_relative_half_spread": pl.Float64(),
    "n_contradicting": pl.Int64(),
    "parity_slope": pl.Float64(),
    "content_hash": pl.String(),
}
GATE_SCHEMA: dict[str, pl.DataType] = {
    **{name: SUMMARY_SCHEMA[name] for name in SNAPSHOT_KEY},
    "n_rows": pl.Int64(),
    "gate": pl.String(),
    "outcome": pl.String(),
    "measured": pl.Float64(),
    "threshold": pl.Float64(),
    "reason": pl.String(),
}


def snapshot_summary(quotes: pl.DataFrame) -> pl.DataFrame:
    """Return what the gates need to know of each snapshot: one row per file, session, root and snapshot kind.

    Parameters
    ----------
    quotes
        Accepted rows of core.option_quote of one or more files, in any order.

    Returns
    -------
    pl.DataFrame
        `SUMMARY_SCHEMA`. `two_sided_share` is a share of all rows; a quote is two-sided where the bid is
        above zero and there is an offer. `n_zero_zero` counts rows with neither.
        `median_relative_half_spread` is the median of (ask - bid)/(ask + bid) over two-sided quotes, null
        where there is none. `n_contradicting` counts the quotes that must be wrong by more than a tick for the rest
        to allow no static arbitrage. `parity_slope` is the median over expirations of the slope of call mid less put
        mid on strike, which parity makes -discount factor; null where no expiration has three strikes
        quoted on both sides. `content_hash` is a hash of (strike, option_type, bid, ask) for each expiration
        after the session, as "YYYY-MM-DD:hash" joined by spaces, null where no series outlives the session:
        by expiration, because a chain that is delivered again for the next session has lost the series
        expired since.
    """
    if quotes.is_empty():
        return pl.DataFrame(schema=SUMMARY_SCHEMA)
    two_sided = (pl.col("bid") > 0) & (pl.col("ask") > 0)
    bid, ask = pl.col("bid"), pl.col("ask")
    counts = quotes.group_by(SNAPSHOT_KEY).agg(
        # A source stamps all quotes of a snapshot alike.
        pl.col("quote_ts").max(),
        pl.len().cast(pl.Int64).alias("n_rows"),
        two_sided.fill_null(False).sum().cast(pl.Int64).alias("n_two_sided"),
        ((bid.fill_null(0.0) == 0) & (ask.fill_null(0.0) == 0)).sum().cast(pl.Int64).alias("n_zero_zero"),
        pl.col("expiration").n_unique().cast(pl.Int64).alias("n_expirations"),
        ((ask - bid) / (ask + bid)).filter(two_sided).median().alias("median_relative_half_spread"),
    )
    return (
        counts.join(_content_hashes(quotes), on=SNAPSHOT_KEY, how="left", validate="1:1")
        .join(contradicting_quotes(quotes, key=SNAPSHOT_KEY), on=SNAPSHOT_KEY, how="left", validate="1:1")
        .join(_parity_slopes(quotes), on=SNAPSHOT_KEY, how="left", validate="1:1")
        .with_columns((pl.col("n_two_sided") / pl.col("n_rows")).alias("two_sided_share"))
        .select(pl.col(name).cast(dtype) for name, dtype in SUMMARY_SCHEMA.items())
        .sort(SNAPSHOT_KEY)
    )


def _content_hashes(quotes: pl.DataFrame) -> pl.DataFrame:
    series = quotes.filter(pl.col("expiration") > pl.col("session_date")).sort(
        *SNAPSHOT_KEY, "expiration", "strike", "option_type", "bid", "ask"
    )
    # Adding zero turns -0.0 into 0.0; a null becomes a quiet NaN, which no valid quote holds.
    packed = np.stack(
        [
            series["strike"].to_numpy() + 0.0,
            (series["option_type"] == "put").cast(pl.Float64).to_numpy(),
            series["bid"].fill_null(np.nan).to_numpy() + 0.0,
            series["ask"].fill_null(np.nan).to_numpy() + 0.0,
        ],
        axis=1,
    ).astype("<f8")
    slices = series.group_by([*SNAPSHOT_KEY, "expiration"], maintain_order=True).len()
    ends = slices["len"].cum_sum().to_list()
    digests = [
        hashlib.sha256(packed[end - n : end].tobytes()).hexdigest()[:HASH_DIGITS]
        for end, n in zip(ends, slices["len"].to_list(), strict=True)
    ]
    by_expiration = pl.format(
        "{}:{}", pl.col("expiration").dt.to_string("%Y-%m-%d"), pl.Series(digests, dtype=pl.String)
    )
    return (
        slices.select(*SNAPSHOT_KEY, by_expiration.alias("content_hash"))
        .group_by(SNAPSHOT_KEY, maintain_order=True)
        .agg(pl.col("content_hash").str.join(" "))
    )


def _parity_slopes(quotes: pl.DataFrame) -> pl.DataFrame:
    """Return `SNAPSHOT_KEY` and `parity_slope`: one row per snapshot that has an expiration with enough pairs."""
    contract = [*SNAPSHOT_KEY, "expiration", "strike"]
    two_sided = quotes.filter((pl.col("bid") > 0) & (pl.col("ask") > 0))
    mids = two_sided.group_by(contract).agg(
        *(
            ((pl.col("bid") + pl.col("ask")) / 2).filter(pl.col("option_type") == kind).first().alias(kind)
            for kind in ("call", "put")
        )
    )
    # Sorted, because sums depend on the order of their terms in the last bits.
    pairs = mids.drop_nulls(["call", "put"]).sort(contract)
    return (
        pairs.group_by([*SNAPSHOT_KEY, "expiration"], maintain_order=True)
        .agg(
            pl.len(),
            (pl.cov(pl.col("call") - pl.col("put"), pl.col("strike")) / pl.col("strike").var()).alias("slope"),
        )
        .filter(pl.col("len") >= MIN_PARITY_PAIRS)
        .group_by(SNAPSHOT_KEY, maintain_order=True)
        .agg(pl.col("slope").median().alias("parity_slope"))
    )


def session_gates(
    summaries: pl.DataFrame,
    *,
    calendar: TradingCalendar,
    min_two_sided_share: float = 0.50,
    max_contradicting_share: float = 0.01,
    min_row_share: float = 0.60,
    min_expiration_share: float = 0.60,
    history_sessions: int = 20,
    min_history: int = 5,
) -> pl.DataFrame:
    """Judge every snapshot by its two sides, contradictions and price scale, by staleness and by two counts.

    Parameters
    ----------
    summaries
        `snapshot_summary` of every snapshot landed so far, in any order; later sessions change no earlier
        verdict.
    min_two_sided_share
        Least share of a root's quotes with both a bid and an offer.
    max_contradicting_share
        Largest share of a root's quotes that cannot have been shown by one market together.
    min_row_share, min_expiration_share
        Least share of the root's median count over the `history_sessions` trading sessions before; judged
        only where at least `min_history` of those are present and their median is no mere excerpt.

    Returns
    -------
    pl.DataFrame
        `GATE_SCHEMA`, one row per snapshot and gate. `outcome` is passed, failed or skipped (too little
        history); a snapshot is accepted where no gate failed. `measured` and `threshold` are a share or a
        count, null for the stale chain; `reason` is null where the gate passed.
    """
    summaries = summaries.select(list(SUMMARY_SCHEMA)).sort(SNAPSHOT_KEY)
    # These need no history; a snapshot that fails one of them is no yardstick for later sessions either.
    absolute = [
        _two_sided_gate(summaries, min_two_sided_share),
        _contradiction_gate(summaries, max_contradicting_share),
        _price_scale_gate(summaries),
        _stale_gate(summaries),
    ]
    yardsticks = _nearest_to_close(
        _without_failures(summaries, pl.concat(absolute)),
        calendar=calendar,
        ties=[-pl.col("n_rows"), pl.col("source_sha256"), pl.col("snapshot_kind")],
    )
    window = _sessions_before(summaries["session_date"], calendar=calendar, n=history_sessions)
    history = window.join(yardsticks.rename({"session_date": "earlier"}), on="earlier")
    counts = [
        _count_gate(summaries, history, column=column, gate=gate, share=share, n=(history_sessions, min_history))
        for gate, column, share in (
            ("row_count", "n_rows", min_row_share),
            ("expiration_count", "n_expirations", min_expiration_share),
        )
    ]
    return pl.concat([*absolute, *counts]).sort([*SNAPSHOT_KEY, "gate"])


def _without_failures(summaries: pl.DataFrame, gates: pl.DataFrame) -> pl.DataFrame:
    return summaries.join(gates.filter(pl.col("outcome") == "failed"), on=SNAPSHOT_KEY, how="anti")


def select_snapshots(
    summaries: pl.DataFrame,
    gates: pl.DataFrame,
    *,
    calendar: TradingCalendar,
    source_order: Sequence[str],
    source_of: pl.DataFrame,
) -> pl.DataFrame:
    """Return the one snapshot per session and root that enters core, of those that no gate refused.

    Parameters
    ----------
    summaries, gates
        `snapshot_summary` of every snapshot, and `session_gates` of those.
    source_order
        Source names, the preferred first; a source not named comes after all that are.
    source_of
        `source_sha256`, `source` (its name) and `received_at`: one row per file.

    Returns
    -------
    pl.DataFrame
        `SNAPSHOT_KEY` and `quote_ts`, sorted by session and root: the snapshot that is not before the
        session's option close where there is one, then nearest to it, then regular before non_regular, then
        by source order, then the file received last (a chain delivered again corrects the first), then by
        `source_sha256` and `snapshot_kind`.
    """
    order = pl.DataFrame(
        {"source": list(source_order), "priority": range(len(source_order))},
        schema={"source": pl.String, "priority": pl.Int64},
    )
    priorities = source_of.join(order, on="source", how="left", validate="m:1").select(
        "source_sha256", "priority", pl.col("received_at").dt.epoch("us").alias("received")
    )
    candidates = _without_failures(summaries, gates).join(priorities, on="source_sha256", how="left", validate="m:1")
    chosen = _nearest_to_close(
        candidates.with_columns(pl.col("priority").fill_null(len(source_order))),
        calendar=calendar,
        ties=[
            pl.col("snapshot_kind") == "non_regular",
            pl.col("priority"),
            -pl.col("received"),
            pl.col("source_sha256"),
            pl.col("snapshot_kind"),
        ],
    )
    return chosen.select(*SNAPSHOT_KEY, "quote_ts").sort("session_date", "root")


def _nearest_to_close(summaries: pl.DataFrame, *, calendar: TradingCalendar, ties: Sequence[pl.Expr]) -> pl.DataFrame:
    """Return one summary per session and root: not before the close, then nearest to it, then by `ties`."""
    sessions = summaries["session_date"].unique().sort()
    closes = pl.DataFrame(
        {
            "session_date": sessions,
            "close_ts": pl.Series(
                [option_close(day, calendar=calendar) for day in sessions.to_list()], dtype=pl.Datetime("us")
            ),
        }
    )
    gap = pl.col("quote_ts") - pl.col("close_ts")
    return (
        summaries.join(closes, on="session_date", validate="m:1")
        .sort("session_date", "root", gap < pl.duration(), gap.abs(), *ties)
        .unique(["session_date", "root"], keep="first", maintain_order=True)
        .drop("close_ts")
    )


def _gate_rows(
    rows: pl.DataFrame, gate: str, *, outcome: pl.Expr, measured: pl.Expr, threshold: pl.Expr, reason: pl.Expr
) -> pl.DataFrame:
    return (
        rows.with_columns(outcome.alias("outcome"))
        .with_columns(
            pl.lit(gate).alias("gate"),
            measured.cast(pl.Float64).alias("measured"),
            threshold.cast(pl.Float64).alias("threshold"),
            pl.when(pl.col("outcome") != "passed").then(reason).alias("reason"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in GATE_SCHEMA.items())
    )


def _with_thousands(number: pl.Expr) -> pl.Expr:
    """Return a count as text with thousands separators; the .5 of a median of two counts stays."""
    whole = number.cast(pl.Int64)
    digits = whole.cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "$1,").str.reverse()
    half = pl.when(number > whole).then(pl.lit(".5")).otherwise(pl.lit(""))
    return digits.str.strip_prefix(",") + half


def _two_sided_gate(summaries: pl.DataFrame, floor: float) -> pl.DataFrame:
    return _gate_rows(
        summaries,
        "two_sided_share",
        outcome=pl.when(pl.col("two_sided_share") >= floor).then(pl.lit("passed")).otherwise(pl.lit("failed")),
        measured=pl.col("two_sided_share"),
        threshold=pl.lit(floor),
        reason=pl.format(
            "option_quote for {} has a bid and an offer on {} of {} {} rows, fewer than "
            f"{floor * 100:g} %: the chain was probably downloaded while quotes were reset. "
            "Download it again after the close, before the overnight session, and import that file.",
            pl.col("session_date"),
            _with_thousands(pl.col("n_two_sided")),
            _with_thousands(pl.col("n_rows")),
            pl.col("root"),
        ),
    )


def _contradiction_gate(summaries: pl.DataFrame, ceiling: float) -> pl.DataFrame:
    """Fail a snapshot of which more quotes contradict each other than a live market ever shows."""
    share = pl.col("n_contradicting") / pl.col("n_rows")
    is_stale = (pl.col("n_contradicting") >= MIN_CONTRADICTING) & (share > ceiling)
    return _gate_rows(
        summaries,
        "contradicting_quotes",
        outcome=pl.when(is_stale).then(pl.lit("failed")).otherwise(pl.lit("passed")),
        measured=share,
        threshold=pl.lit(ceiling),
        reason=pl.format(
            "option_quote for {} holds {} of {} {} quotes that no one market can show together (they would earn a sure "
            f"profit whatever the index does), more than {ceiling * 100:g} %: the file probably mixes quotes of "
            "different times. Download the chain again and import that file.",
            pl.col("session_date"),
            _with_thousands(pl.col("n_contradicting")),
            _with_thousands(pl.col("n_rows")),
            pl.col("root"),
        ),
    )


def _price_scale_gate(summaries: pl.DataFrame) -> pl.DataFrame:
    """Fail a snapshot whose calls less puts do not fall by a discount factor with the strike."""
    low, high = PARITY_FALL
    fall = -pl.col("parity_slope")
    return _gate_rows(
        summaries,
        "price_scale",
        outcome=pl.when(fall.is_null())
        .then(pl.lit("skipped"))
        .when(fall.is_between(low, high))
        .then(pl.lit("passed"))
        .otherwise(pl.lit("failed")),
        measured=fall,
        threshold=pl.lit(None),
        reason=pl.when(fall.is_null())
        .then(pl.format("no expiration of {} has {} strikes quoted on both sides", "root", pl.lit(MIN_PARITY_PAIRS)))
        .otherwise(
            pl.format(
                "option_quote for {}: calls less puts of {} fall by {} a point of strike, where put-call parity allows "
                f"{low:g} to {high:g}: another price scale (cents?), strikes in another unit, or calls and puts "
                "exchanged. Download the chain again and import that file.",
                pl.col("session_date"),
                pl.col("root"),
                fall.round(3),
            )
        ),
    )


def _stale_gate(summaries: pl.DataFrame) -> pl.DataFrame:
    """Fail a snapshot whose every surviving series is quoted as in one snapshot of an earlier session."""
    parts = (
        summaries.filter(pl.col("content_hash").is_not_null())
        .select(*SNAPSHOT_KEY, pl.col("content_hash").str.split(" "))
        .explode("content_hash", empty_as_null=False)
    )
    own = parts.group_by(SNAPSHOT_KEY).agg(pl.len().alias("n_own"))
    earlier = parts.rename({name: f"{name}_earlier" for name in SNAPSHOT_KEY if name != "root"})
    same = (
        parts.join(earlier, on=["root", "content_hash"])
        .filter(pl.col("session_date_earlier") < pl.col("session_date"))
        .group_by(*SNAPSHOT_KEY, "session_date_earlier", "source_sha256_earlier", "snapshot_kind_earlier")
        .agg(pl.len().alias("n_same"))
        .join(own, on=SNAPSHOT_KEY, validate="m:1")
        .filter(pl.col("n_same") == pl.col("n_own"))
        .group_by(SNAPSHOT_KEY)
        .agg(pl.col("session_date_earlier").max())
    )
    copied_from = pl.col("session_date_earlier")
    return _gate_rows(
        summaries.join(same, on=SNAPSHOT_KEY, how="left", validate="1:1"),
        "stale_chain",
        outcome=pl.when(copied_from.is_null()).then(pl.lit("passed")).otherwise(pl.lit("failed")),
        measured=pl.lit(None),
        threshold=pl.lit(None),
        reason=pl.format(
            "option_quote for {} repeats every {} quote of {}: the feed probably did not move on. "
            "Import the session's own file and run the session again.",
            pl.col("session_date"),
            pl.col("root"),
            copied_from,
        ),
    )


def _sessions_before(sessions: pl.Series, *, calendar: TradingCalendar, n: int) -> pl.DataFrame:
    """Return each distinct session with the `n` trading sessions before it: one row per pair."""
    days = sessions.unique().sort()
    first = np.searchsorted(calendar.sessions, days.to_numpy().astype("datetime64[D]"))
    places = first[:, None] - np.arange(1, n + 1)[None, :]
    inside = places >= 0
    return pl.DataFrame(
        {
            "session_date": pl.Series(np.repeat(days.to_numpy().astype("datetime64[D]"), n)[inside.ravel()]),
            "earlier": pl.Series(calendar.sessions[places[inside]].astype("datetime64[D]")),
        },
        schema={"session_date": pl.Date, "earlier": pl.Date},
    )


def _count_gate(
    summaries: pl.DataFrame,
    history: pl.DataFrame,
    *,
    column: str,
    gate: str,
    share: float,
    n: tuple[int, int],
) -> pl.DataFrame:
    """Fail a count below `share` of its median in `history`: of n[0] sessions, n[1] must be present."""
    medians = history.group_by("session_date", "root").agg(
        pl.col(column).median().alias("median"),
        pl.col("n_rows").median().alias("median_rows"),
        pl.len().alias("n_present"),
    )
    median, what = pl.col("median"), column.removeprefix("n_")
    enough = (pl.col("n_present").fill_null(0) >= n[1]) & (pl.col("median_rows") >= MIN_MEDIAN_ROWS)
    return _gate_rows(
        summaries.join(medians, on=["session_date", "root"], how="left", validate="m:1"),
        gate,
        outcome=pl.when(~enough)
        .then(pl.lit("skipped"))
        .when(pl.col(column) < share * median)
        .then(pl.lit("failed"))
        .otherwise(pl.lit("passed")),
        measured=pl.col(column),
        threshold=pl.when(enough).then(share * median),
        reason=pl.when(enough)
        .then(
            pl.format(
                "option_quote for {} has {} {} "
                f"{what}, fewer than {share * 100:g} % of the {n[0]}-session median "
                "{}: the feed is probably partial. Import the complete file and run the session again.",
                pl.col("session_date"),
                _with_thousands(pl.col(column)),
                pl.col("root"),
                _with_thousands(median.fill_null(0.0)),
            )
        )
        .otherwise(
            pl.format(
                f"{{}} of the {n[0]} sessions before hold {{}} quotes; a count is judged against {n[1]} with "
                f"{MIN_MEDIAN_ROWS} rows at their median",
                pl.col("n_present").fill_null(0),
                pl.col("root"),
            )
        ),
    )
