"""What the rules read of the book and the account, under the names their inputs have."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, cast

from transforms.book.figures import profit_figures, short_strikes, total_of
from transforms.book.position import OpenPosition
from transforms.book.state import Position
from transforms.engines.offers.standing import Standing
from transforms.engines.sizing import Account, Limits
from transforms.rules.layer_share import LayerShareParameters, largest_layer_share
from transforms.rules.rule import Parameters, Value
from transforms.sessions import TradingCalendar

BASES = ("capital_at_risk", "margin", "notional")


def account_values(account: Account) -> dict[str, Value]:
    """Return the account, dollars."""
    return {
        "equity": account.equity,
        "cash": account.cash,
        "marketable_securities": account.marketable_securities,
        "receivables": account.receivables,
        "current_liabilities": account.current_liabilities,
    }


def limit_values(standing: Standing, *, trades: Collection[frozenset[str]]) -> dict[str, Value]:
    """Return what layer_share, trade_risk, book_risk and quick_ratio read of a standing, dollars.

    `trades`: the trades at hand, each the ids of a condor and the layers against it; the one that risks most is what
    trade_risk is measured on. None where a loss is unlimited or a margin unknown.
    """
    values: dict[str, Value] = {}
    for basis in BASES:
        for engine in ("condor", "second"):
            own = [position for position in standing.positions if position.engine == engine]
            name = "layer" if engine == "second" else engine
            values[f"{name}_{basis}"] = total_of(_measure(position, standing, basis) for position in own)
    pairs = [_pair(standing, trade) for trade in trades] or [(0.0, 0.0)]
    condor, layer = max(pairs, key=lambda pair: float("inf") if None in pair else sum(cast(Any, pair)))
    values["week_condor_max_loss"], values["week_layer_max_loss"] = condor, layer
    values["open_max_loss"] = total_of(position.capital_at_risk for position in standing.positions)
    values["margin_after_trade"] = total_of(standing.margin_of(position) for position in standing.positions)
    return values


def condor_values(position: Position, *, session_date: date) -> dict[str, Value]:
    """Return what `rally` and `exit` read of an open condor."""
    put, call = short_strikes(position)
    profit_share, loss_multiple = profit_figures(position)
    return {
        "short_put_strike": put,
        "short_call_strike": call,
        "profit_share": profit_share,
        "days_to_expiry": max((position.expiration - session_date).days, 0),
        "loss_multiple": loss_multiple,
    }


def layer_values(position: Position, *, session_date: date, calendar: TradingCalendar) -> dict[str, Value]:
    """Return what `roll_due` reads of an open layer."""
    sessions = calendar.between(session_date, position.expiration)
    return {"sessions_to_layer_expiration": max(len(sessions) - 1, 0)}


def limits_of(parameters: Mapping[str, Parameters], stance: str | None) -> Limits:
    """Return the thresholds in force at a stance (None: steward)."""
    own = {name: asdict(parameters[name]) for name in ("layer_share", "trade_risk", "book_risk", "quick_ratio")}
    share = largest_layer_share(stance, LayerShareParameters(**own["layer_share"]))
    return Limits(
        layer_share=share,
        trade_risk=own["trade_risk"]["trade_risk_limit"],
        book_risk=own["book_risk"]["book_risk_limit"],
        quick_ratio=own["quick_ratio"]["least_quick_ratio"],
        reserved_layer_share=share,
    )


def _pair(standing: Standing, trade: frozenset[str]) -> tuple[float | None, float | None]:
    own = [position for position in standing.positions if position.position_id in trade]
    condors, layers = (
        total_of(position.capital_at_risk for position in own if position.engine == engine)
        for engine in ("condor", "second")
    )
    return condors, layers


def _measure(position: OpenPosition, standing: Standing, basis: str) -> float | None:
    if basis == "margin":
        return standing.margin_of(position)
    return position.notional if basis == "notional" else position.capital_at_risk
