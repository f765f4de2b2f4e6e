"""The second engine: VIX call ratio spreads of one session, filtered, measured and ranked (METHOD section 7).

`backspread` sells 1 call and buys N at a higher strike of one expiration; `front_ratio` buys 1 and sells N;
`diagonal` sells 1 and buys N that expire a month later. Only the first is the method's; the others are disputed.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.engines.iron_condor import RankedCandidates, funnel_rows
from transforms.engines.margin import (
    VIX_MOVES,
    backspread_margin,
    capital_at_risk,
    front_ratio_margin,
    portfolio_margin_estimate,
)
from transforms.engines.payoff import PRICE_DECIMALS, ExpirationOutcome, Structures, expiration_outcome
from transforms.engines.priced_chain import PricedLegs, is_two_sided, priced_chain, strike_name
from transforms.engines.tail import VIX_ROOTS, settled_or_priced, shifted_futures
from transforms.engines.vix_curve import VixCurve, spx_return_for
from transforms.errors import UsageError
from transforms.tables.engine import RATIO_SPREAD_CANDIDATE, RATIO_SPREAD_SCENARIO

Floats = NDArray[np.float64]
Structure = Literal["backspread", "front_ratio", "diagonal"]

# Which structures' profit rises without limit as the VIX does; a diagonal's far calls feel only part of the move.
TAIL_GAINERS = ("backspread",)
SCENARIO_MOVES = (-2.0, 0.0, 1.0, 2.0, 4.0, 8.0, 20.0)
SCENARIO_HORIZONS = (("now", 0.0), ("5_days", 5.0), ("10_days", 10.0), ("expiration", np.inf))
OFFSET_MOVES = np.arange(0.25, 80.25, 0.25)
# Settlement values on which a diagonal is valued: its far legs leave no straight lines.
DIAGONAL_LEVELS = np.arange(5.0, 120.25, 0.25)


@dataclass(frozen=True)
class RatioSpreadSettings:
    """Which ratio spreads are candidates.

    months: ranks in the monthly VX calendar; break-even above future: points, both ends inclusive; max_short_delta:
    absolute, inclusive; acknowledged: structures the user accepts by name although they are no hedge; offset_share:
    share of the condor's loss to be offset; layer_share: layer risk over condor risk, at which that is judged;
    fee_per_contract: dollars; max_kept: candidates written, best first.
    """

    structure: Structure = "backspread"
    months: tuple[int, ...] = (1, 2)
    ratios: tuple[int, ...] = (2, 3)
    max_short_delta: float = 0.60
    min_break_even_above_future: float = 4.0
    max_break_even_above_future: float = 6.0
    credit_rule: Literal["natural", "mid"] = "natural"
    acknowledged: tuple[str, ...] = ()
    offset_share: float = 0.60
    layer_share: float = 0.30
    fee_per_contract: float = 1.5
    max_kept: int = 100


@dataclass(frozen=True)
class CondorProfile:
    """What the layer is to offset, for one condor: instant profit (points) at increasing SPX returns (decimal)."""

    spx_return: Floats
    profit: Floats
    max_loss: float


def require_tail_hedge(settings: RatioSpreadSettings) -> None:
    """Refuse a structure that does not gain in the tail as second engine, unless it is acknowledged by name.

    Raises
    ------
    UsageError
        Naming the structure and the setting that would acknowledge it.
    """
    if settings.structure not in TAIL_GAINERS and settings.structure not in settings.acknowledged:
        raise UsageError(
            f"structure = {settings.structure!r} is not sure to gain when the VIX rises without limit: it is no hedge "
            f"of the condor and is refused as second engine; use one of {list(TAIL_GAINERS)}, or add "
            f"{settings.structure!r} to the acknowledged structures to run it all the same"
        )


def ratio_spread_candidates(
    quotes: pl.DataFrame,
    analytics: pl.DataFrame,
    *,
    slices: pl.DataFrame,
    term_structure: pl.DataFrame,
    vix: float | None,
    condor: CondorProfile | None = None,
    settings: RatioSpreadSettings | None = None,
) -> RankedCandidates:
    """Return the ratio spreads of one session as mart.ratio_spread_candidate, and the funnel of engine `second`.

    Parameters
    ----------
    quotes, analytics, slices : core.option_quote, feature.option_analytics and feature.slice of one session
    term_structure : feature.term_structure of the session
    vix : VIX close, points; without it scenarios, diagonals and the margin of uncovered calls are unknown
    condor : what offset_vix_move is measured against; null without it

    Notes
    -----
    The funnel starts at every pair of listed calls of the months, times the ratios. Every figure rests on the credit by
    `credit_rule`. Ranked by loss in the dead zone per vega (unknown last), then credit at mid, then expiration, strikes
    and ratio.

    Raises
    ------
    UsageError
        If the structure is no hedge and not acknowledged.
    """
    chosen = settings or RatioSpreadSettings()
    require_tail_hedge(chosen)
    curve = None if vix is None else VixCurve.of(term_structure, vix=vix)
    chain = _monthly_calls(quotes, analytics, slices=slices, term_structure=term_structure)
    pairs = _pairs(chain, settings=chosen)
    options = PricedLegs.of(chain)
    counts = [("all", pairs.height)]
    for name, keeps in _quote_filters(chosen).items():
        pairs = pairs.filter(keeps)
        counts.append((name, pairs.height))
    measured = _with_outcome(pairs, options, days=_days(chain), curve=curve, settings=chosen)
    for name, keeps in _outcome_filters(chosen).items():
        measured = measured.filter(keeps)
        counts.append((name, measured.height))
    kept = _ranked(measured).head(chosen.max_kept)
    counts.append(("kept", kept.height))
    session = slices.select(pl.col("session_date").first()).to_series()
    return RankedCandidates(
        candidates=_candidate_rows(kept, options, days=_days(chain), curve=curve, condor=condor, settings=chosen),
        funnel=funnel_rows(session, "second", counts=counts),
    )


def ratio_spread_scenarios(
    candidates: pl.DataFrame, quotes: pl.DataFrame, analytics: pl.DataFrame, *, slices: pl.DataFrame, curve: VixCurve
) -> pl.DataFrame:
    """Return mart.ratio_spread_scenario: profit now, in 5 and 10 days and at expiration for seven moves of the VIX.

    `candidates` are rows of mart.ratio_spread_candidate of the session. Points for one structure before fees.
    """
    chain = priced_chain(quotes, analytics, slices=slices.filter(pl.col("root").is_in(VIX_ROOTS)))
    calls = chain.filter(pl.col("option_type") == "call").with_row_index("option_row")
    held = candidates.sort("candidate_id").with_columns(
        long_expiration=pl.coalesce("far_expiration", "expiration"), short_expiration=pl.col("expiration")
    )
    for side in ("short", "long"):
        key = calls.select(
            pl.col("root"),
            pl.col("expiration").alias(f"{side}_expiration"),
            pl.col("strike").alias(f"{side}_strike"),
            pl.col("option_row").cast(pl.Int64).alias(f"{side}_row"),
        )
        held = held.join(
            key, on=["root", f"{side}_expiration", f"{side}_strike"], how="inner", validate="m:1", maintain_order="left"
        )
    options, days = PricedLegs.of(calls), _days(calls)
    moves = np.array(SCENARIO_MOVES)
    own_days = (held["expiration"] - held["session_date"]).dt.total_days().cast(pl.Float64).to_numpy()
    frames = []
    for horizon, days_later in SCENARIO_HORIZONS:
        # A candidate whose expiration comes first stays at it.
        elapsed = np.minimum(own_days, days_later)
        profit = _profit_of(held, options, days=days, curve=curve, days_later=elapsed, vix=curve.vix + moves)
        future = curve.future(own_days[:, None], days_later=elapsed[:, None], vix_move=moves)
        frames.append(
            pl.DataFrame(
                {
                    "candidate_id": held["candidate_id"].gather(np.repeat(np.arange(held.height), moves.size)),
                    "session_date": held["session_date"].gather(np.repeat(np.arange(held.height), moves.size)),
                    "vix_move": np.tile(moves, held.height),
                    "future": future.ravel(),
                    "profit": pl.Series(profit.ravel(), nan_to_null=True),
                }
            ).with_columns(pl.lit(horizon).alias("horizon"))
        )
    return RATIO_SPREAD_SCENARIO.conform(pl.concat(frames))


def _monthly_calls(
    quotes: pl.DataFrame, analytics: pl.DataFrame, *, slices: pl.DataFrame, term_structure: pl.DataFrame
) -> pl.DataFrame:
    """Return the calls on the monthly VX expirations, with the month's rank and future, numbered by `option_row`."""
    months = term_structure.drop_nulls("settle").select("expiration", month="rank", future="settle")
    monthly = slices.filter(pl.col("root").is_in(VIX_ROOTS)).join(months, on="expiration", how="semi")
    return (
        priced_chain(quotes, analytics, slices=monthly)
        .filter(pl.col("option_type") == "call")
        .join(months, on="expiration", how="left", validate="m:1", maintain_order="left")
        .with_row_index("option_row")
        .with_columns(pl.col("option_row").cast(pl.Int64), two_sided=is_two_sided())
    )


def _days(chain: pl.DataFrame) -> Floats:
    return chain["days_to_expiry"].cast(pl.Float64).to_numpy()


_OF_LEG = (
    "option_row", "expiration", "strike", "bid", "ask", "bid_size", "ask_size", "two_sided",
    "delta", "gamma", "vega", "theta",
)  # fmt: skip


def _pairs(chain: pl.DataFrame, *, settings: RatioSpreadSettings) -> pl.DataFrame:
    """Return every pair of listed calls K1 < K2 of the months, times the ratios: one row each.

    Columns of the two legs end in _sold and _bought; `n_sold` and `n_bought` contracts. A diagonal buys the next month.
    """
    months_apart = 1 if settings.structure == "diagonal" else 0
    lower_is_sold = settings.structure != "front_ratio"
    wanted = chain.filter(pl.col("month").is_in(settings.months)).with_columns(other=pl.col("month") + months_apart)
    below = wanted.select("session_date", "root", "month", "other", "future", "discount_factor", *_OF_LEG)
    above = chain.select("root", *_OF_LEG, other="month")
    low, high = ("_sold", "_bought") if lower_is_sold else ("_bought", "_sold")
    pairs = below.rename({name: name + low for name in _OF_LEG}).join(
        above.rename({name: name + high for name in _OF_LEG}), on=["root", "other"]
    )
    one, many = (f"n{low}", f"n{high}")
    ratios = pl.DataFrame({"ratio": sorted(set(settings.ratios))}, schema={"ratio": pl.Int64})
    credit = {
        "credit_natural": pl.col("n_sold") * pl.col("bid_sold") - pl.col("n_bought") * pl.col("ask_bought"),
        "credit_mid": 0.5 * pl.col("n_sold") * (pl.col("bid_sold") + pl.col("ask_sold"))
        - 0.5 * pl.col("n_bought") * (pl.col("bid_bought") + pl.col("ask_bought")),
    }
    return (
        pairs.filter(pl.col(f"strike{low}") < pl.col(f"strike{high}"))
        .join(ratios, how="cross")
        .with_columns(pl.lit(1.0).alias(one), pl.col("ratio").cast(pl.Float64).alias(many))
        .with_columns(**{name: sum_.round(PRICE_DECIMALS) for name, sum_ in credit.items()})
        .with_columns(credit=pl.col(f"credit_{settings.credit_rule}"), higher_strike=pl.col(f"strike{high}"))
        .sort("expiration_sold", "root", "strike_sold", "strike_bought", "ratio")
    )


def _quote_filters(settings: RatioSpreadSettings) -> dict[str, pl.Expr]:
    """Return what is asked of a pair before its outcome is known, in the order of METHOD section 7."""
    return {
        "two_sided": pl.col("two_sided_sold") & pl.col("two_sided_bought"),
        "long_above_future": pl.col("higher_strike") > pl.col("future"),
        "short_delta": pl.col("delta_sold").abs() <= settings.max_short_delta,
    }


def _outcome_filters(settings: RatioSpreadSettings) -> dict[str, pl.Expr]:
    """Return what is asked of the outcome, in order; an unknown break-even does not pass."""
    above = pl.col("break_even_above_future")
    return {
        "break_even": above.is_between(settings.min_break_even_above_future, settings.max_break_even_above_future),
        "credit": pl.col("credit") >= 0.0,
    }


def _quantities(pairs: pl.DataFrame) -> Floats:
    return np.column_stack((-pairs["n_sold"].to_numpy(), pairs["n_bought"].to_numpy()))


def _with_outcome(
    pairs: pl.DataFrame, options: PricedLegs, *, days: Floats, curve: VixCurve | None, settings: RatioSpreadSettings
) -> pl.DataFrame:
    """Return the pairs with their outcome at the expiration of the calls sold."""
    if settings.structure == "diagonal":
        outcome = _diagonal_outcome(pairs, options, days=days, curve=curve)
    else:
        outcome = expiration_outcome(
            Structures(
                _quantities(pairs),
                pairs.select("strike_sold", "strike_bought").to_numpy(),
                np.array([True, True]),
                pairs["credit"].to_numpy(),
            )
        )
    low, high = outcome.lowest_edge, outcome.highest_edge
    loses_from_zero = outcome.kink_profit[:, 0] < 0.0
    gains = outcome.slope_above > 0.0
    limited = np.isfinite(outcome.worst)
    columns = {
        "max_loss": np.where(limited, np.maximum(-outcome.worst, 0.0), np.nan),
        "max_loss_level": np.where(limited, outcome.worst_level, np.nan),
        "break_even_low": np.where(loses_from_zero | (low == high), np.nan, low),
        "break_even_high": high,
        # Where it loses from the last break-even on, the dead zone has no upper end.
        "dead_zone_low": np.where(loses_from_zero, 0.0, np.where(gains, low, high)),
        "dead_zone_high": np.where(gains, high, np.nan),
    }
    return pairs.with_columns(
        *(pl.Series(name, values, nan_to_null=True) for name, values in columns.items()), gains_in_tail=pl.Series(gains)
    ).with_columns(break_even_above_future=(pl.col("break_even_high") - pl.col("future")).round(PRICE_DECIMALS))


def _diagonal_outcome(
    pairs: pl.DataFrame, options: PricedLegs, *, days: Floats, curve: VixCurve | None
) -> ExpirationOutcome:
    """Return the outcome of diagonals on the day the calls sold settle, linear between DIAGONAL_LEVELS.

    The far calls are valued on their own future, which has slid along the curve and moved by its beta. Unknown without
    a VIX.
    """
    level = np.tile(DIAGONAL_LEVELS, (pairs.height, 1))
    if curve is None or pairs.is_empty():
        profit = np.full(level.shape, np.nan)
    else:
        elapsed = days[pairs["option_row_sold"].to_numpy()]
        profit = _profit_of(_as_rows(pairs), options, days=days, curve=curve, days_later=elapsed, vix=DIAGONAL_LEVELS)
    profit = np.round(profit, PRICE_DECIMALS)
    with np.errstate(invalid="ignore"):
        slope = (profit[:, -1] - profit[:, -2]) / (DIAGONAL_LEVELS[-1] - DIAGONAL_LEVELS[-2])
    return ExpirationOutcome.on_a_line(level, profit, slope_above=slope)


def _as_rows(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select("credit", "n_sold", "n_bought", short_row="option_row_sold", long_row="option_row_bought")


def _profit_of(
    held: pl.DataFrame, options: PricedLegs, *, days: Floats, curve: VixCurve, days_later: Floats, vix: Floats
) -> Floats:
    """Return the profit of structures opened at their credit, points, shape (n, width), at VIX levels (width,).

    `held`: credit, ratio and structure or n_sold and n_bought, and short_row and long_row into `options`.
    `days_later`: calendar days from tonight, shape (n,).
    """
    if "n_sold" not in held.columns:
        sells_many = pl.col("structure") == "front_ratio"
        held = held.with_columns(
            n_sold=pl.when(sells_many).then(pl.col("ratio")).otherwise(1).cast(pl.Float64),
            n_bought=pl.when(sells_many).then(1).otherwise(pl.col("ratio")).cast(pl.Float64),
        )
    profit = np.tile(held["credit"].to_numpy()[:, None], (1, vix.size))
    for elapsed in np.unique(days_later):
        at = np.flatnonzero(days_later == elapsed)
        part = held[at]
        for row_name, sign, n_name in (("short_row", -1.0, "n_sold"), ("long_row", 1.0, "n_bought")):
            used, place = np.unique(part[row_name].to_numpy(), return_inverse=True)
            legs, own = options.take(used), days[used]
            futures = shifted_futures(legs.forward, own, curve=curve, days_later=float(elapsed), vix=vix)
            value = settled_or_priced(legs, futures, days=own, days_later=float(elapsed))
            profit[at] += sign * part[n_name].to_numpy()[:, None] * value[place]
    return profit


def _ranked(measured: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates with score and Greeks, best first."""
    greeks = {
        name: pl.col("n_bought") * pl.col(f"{name}_bought") - pl.col("n_sold") * pl.col(f"{name}_sold")
        for name in ("delta", "gamma", "vega", "theta")
    }
    return (
        measured.with_columns(**greeks)
        .with_columns(score=pl.when(pl.col("vega") > 0.0).then(pl.col("max_loss") / pl.col("vega")))
        .sort(
            pl.col("score"),
            -pl.col("credit_mid"),
            "expiration_sold",
            "root",
            "strike_sold",
            "strike_bought",
            "ratio",
            nulls_last=True,
        )
        .with_row_index("rank", offset=1)
        .with_columns(pl.col("rank").cast(pl.Int64))
    )


def _candidate_rows(
    kept: pl.DataFrame,
    options: PricedLegs,
    *,
    days: Floats,
    curve: VixCurve | None,
    condor: CondorProfile | None,
    settings: RatioSpreadSettings,
) -> pl.DataFrame:
    """Return mart.ratio_spread_candidate of the ranked pairs."""
    intrinsic = pl.col("discount_factor") * (
        pl.col("n_sold") * (pl.col("future") - pl.col("strike_sold")).clip(lower_bound=0.0)
        - pl.col("n_bought") * (pl.col("future") - pl.col("strike_bought")).clip(lower_bound=0.0)
    )
    is_diagonal = settings.structure == "diagonal"
    sizes = [pl.col("bid_size_sold") // pl.col("n_sold"), pl.col("ask_size_bought") // pl.col("n_bought")]
    known_sizes = pl.col("bid_size_sold").is_not_null() & pl.col("ask_size_bought").is_not_null()
    n_contracts = (kept["n_sold"] + kept["n_bought"]).to_numpy()
    risk = capital_at_risk(kept["max_loss"].fill_null(np.nan).to_numpy(), fees=settings.fee_per_contract * n_contracts)
    same = ("rank", "session_date", "root", "month", "future", "ratio", "credit_natural", "credit_mid", "credit",
            "max_loss", "max_loss_level", "break_even_low", "break_even_high", "break_even_above_future",
            "dead_zone_low", "dead_zone_high", "gains_in_tail", "delta", "gamma", "vega", "theta", "score")  # fmt: skip
    rows = kept.select(
        *same,
        expiration=pl.col("expiration_sold"),
        far_expiration=pl.when(pl.lit(is_diagonal)).then(pl.col("expiration_bought")),
        structure=pl.lit(settings.structure),
        short_strike=pl.col("strike_sold"),
        long_strike=pl.col("strike_bought"),
        short_delta=pl.col("delta_sold"),
        credit_intrinsic=intrinsic,
        credit_time=pl.col("credit") - intrinsic,
        size_at_touch=pl.when(known_sizes).then(pl.min_horizontal(sizes)).cast(pl.Int64),
        margin=pl.Series(_margin(kept, vix=None if curve is None else curve.vix, settings=settings), nan_to_null=True),
        portfolio_margin=pl.Series(
            portfolio_margin_estimate(_instant_profit(kept, options), n_contracts=n_contracts), nan_to_null=True
        ),
        capital_at_risk=pl.Series(risk, nan_to_null=True),
        offset_vix_move=pl.Series(
            _offset_moves(kept, options, days=days, curve=curve, condor=condor, settings=settings), nan_to_null=True
        ),
    )
    return RATIO_SPREAD_CANDIDATE.conform(rows.with_columns(candidate_id=_candidate_id()))


def _candidate_id() -> pl.Expr:
    """Return a name that states the structure, its months and its strikes, sold first."""
    months = pl.concat_str(
        pl.col("expiration").dt.to_string("%Y-%m-%d"),
        pl.col("far_expiration").dt.to_string("%Y-%m-%d"),
        separator=">",
        ignore_nulls=True,
    )
    legs = pl.concat_str(strike_name("short_strike"), strike_name("long_strike"), separator="/")
    return pl.concat_str("structure", pl.concat_str(pl.lit("1x"), "ratio"), "root", months, legs, separator=" ")


def _margin(kept: pl.DataFrame, *, vix: float | None, settings: RatioSpreadSettings) -> Floats:
    """Return the strategy-based margin, dollars a structure; NaN where uncovered calls meet no VIX level."""
    sold, bought = kept["strike_sold"].to_numpy(), kept["strike_bought"].to_numpy()
    if settings.structure == "front_ratio":
        return front_ratio_margin(
            sold,
            kept["bid_sold"].to_numpy(),
            n_short=kept["n_sold"].to_numpy(),
            index_level=np.nan if vix is None else vix,
        )
    return backspread_margin(sold, bought)


def _instant_profit(kept: pl.DataFrame, options: PricedLegs) -> Floats:
    """Return the change in value when every future moves by VIX_MOVES, points, shape (n, moves)."""
    used = np.unique(kept.select("option_row_sold", "option_row_bought").to_numpy())
    legs = options.take(used)
    values = legs.value(legs.forward[:, None] * (1.0 + np.concatenate(([0.0], VIX_MOVES))))
    change = values[:, 1:] - values[:, :1]
    sold, bought = (
        change[np.searchsorted(used, kept[name].to_numpy())] for name in ("option_row_sold", "option_row_bought")
    )
    return np.asarray(kept["n_bought"].to_numpy()[:, None] * bought - kept["n_sold"].to_numpy()[:, None] * sold)


def _offset_moves(
    kept: pl.DataFrame,
    options: PricedLegs,
    *,
    days: Floats,
    curve: VixCurve | None,
    condor: CondorProfile | None,
    settings: RatioSpreadSettings,
) -> Floats:
    """Return the least VIX rise, points, at which the layer has gained offset_share of what the condor has lost.

    The condor is at the SPX return that goes with the rise; the layer is as large as `layer_share` of the condor's
    maximum loss allows. NaN without condor, VIX or limited loss, or where no rise up to 80 points does it.
    """
    if curve is None or condor is None or kept.is_empty():
        return np.full(kept.height, np.nan)
    returns = spx_return_for(OFFSET_MOVES, vix=curve.vix)
    loss = -np.interp(returns, condor.spx_return, condor.profit)
    entry = _as_rows(kept)
    now = np.zeros(kept.height)
    today = _profit_of(entry, options, days=days, curve=curve, days_later=now, vix=np.array([curve.vix]))
    moved = _profit_of(entry, options, days=days, curve=curve, days_later=now, vix=curve.vix + OFFSET_MOVES)
    max_loss = kept["max_loss"].fill_null(np.nan).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        layers_per_condor = settings.layer_share * condor.max_loss / max_loss
        enough = (layers_per_condor[:, None] * (moved - today) >= settings.offset_share * loss) & (loss > 0.0)
    first = enough.argmax(axis=1)
    return np.where(enough.any(axis=1), OFFSET_MOVES[first], np.nan)
