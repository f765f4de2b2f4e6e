"""The readings at the head of a night: what each is called and how it is written."""

from collections.abc import Mapping
from typing import Any

from transforms.report.words import dollars, number, percent

Reading = tuple[str, str, bool]

HEADLINE = (
    ("SPX", "spx", "{:,.2f}"),
    ("VIX", "vix", "{:.2f}"),
    ("VVIX", "vvix", "{:.2f}"),
    ("VVIX percentile, 252 sessions", "vvix_percentile_252d", "{:.0%}"),
    ("VX1", "vx1", "{:.3f}"),
    ("VX2", "vx2", "{:.3f}"),
    ("contango VX2/VX1 - 1", "contango_ratio", "{:+.2%}"),
    ("basis VX1/VIX - 1", "basis_ratio", "{:+.2%}"),
    ("30-day VX", "constant_maturity_30d", "{:.3f}"),
    ("60-day VX", "constant_maturity_60d", "{:.3f}"),
    ("sessions to roll", "days_to_roll", "{:d}"),
    ("half-life of VX, sessions", "vx_half_life", "{:.1f}"),
    ("RSI(14) of front VX", "vx_front_rsi", "{:.1f}"),
    ("MACD of front VX", "vx_front_state", "{}"),
    ("MACD of advance-decline", "breadth_state", "{}"),
    ("MACD of the curve", "curve_state", "{}"),
    ("30-day at-the-money vol", "atm_vol_30d", "{:.2%}"),
    ("25-delta risk reversal, 30 d", "risk_reversal_25d_30d", "{:.2%}"),
    ("realized vol, 21 sessions", "realized_vol_21d", "{:.2%}"),
    ("VIX by our own count", "vix_replicated", "{:.2f}"),
    ("SPX and SPXW quotes", "n_spx_quotes", "{:,d}"),
    ("VIX and VIXW quotes", "n_vix_quotes", "{:,d}"),
)
OF_THE_CURVE = frozenset({"vx1", "vx2", "contango_ratio"})


def headline_readings(headline: Mapping[str, Any]) -> list[Reading]:
    """Return label, text and whether it is known, of a row of mart.signal_daily."""
    found = []
    for label, column, form in HEADLINE:
        value = headline[column]
        reason = headline["missing_reason"] if column in OF_THE_CURVE else None
        unknown = f"unknown ({reason})" if reason else "unknown"
        found.append((label, unknown if value is None else form.format(value), value is not None))
    return found


def statistics_readings(book: Mapping[str, Any]) -> list[Reading]:
    """Return what the engines are to each other, of mart.engine_statistics and the row `both` of mart.engine_daily."""
    row = book["statistics"]
    both: Mapping[str, Any] = next((own for own in book["engines"] if own["engine"] == "both"), {})
    span = f", {row['offset_from']} to {row['offset_to']}" if row["offset_from"] else ""
    return _known(
        (f"second engine's offset of the condor's loss{span}", row["offset_ratio"], percent(row["offset_ratio"], 0)),
        ("correlation of their P&L, 20 sessions", both.get("correlation_20d"), number(both.get("correlation_20d"))),
        ("correlation, 60 sessions", both.get("correlation_60d"), number(both.get("correlation_60d"))),
        ("theta of both, $ a day", row["theta_both"], dollars(row["theta_both"])),
        ("theta overlap, second over first", row["theta_overlap"], number(row["theta_overlap"])),
        ("coverage gap, days", row["coverage_gap_days"], number(row["coverage_gap_days"], 0)),
        ("IRR of condors, a year", row["irr_condor"], percent(row["irr_condor"], 1)),
        ("IRR of both, a year", row["irr_both"], percent(row["irr_both"], 1)),
        ("cost of capital, a year", row["wacc"], percent(row["wacc"])),
        ("the same at the loan rate", row["wacc_alternative"], percent(row["wacc_alternative"])),
        ("unexplained share of P&L", row["residual_share"], percent(row["residual_share"], 1)),
    )


def account_readings(account: Mapping[str, Any]) -> list[Reading]:
    """Return the account of mart.account_daily."""
    amounts = ("equity", "cash", "marketable_securities", "receivables", "current_liabilities", "margin")
    return _known(
        *((name.replace("_", " "), account[name], dollars(account[name])) for name in amounts),
        ("worst loss of everything open", account["open_max_loss"], dollars(account["open_max_loss"])),
        ("quick ratio", account["quick_ratio"], number(account["quick_ratio"])),
        ("margin loan rate, a year", account["margin_loan_rate"], percent(account["margin_loan_rate"])),
    )


def _known(*readings: tuple[str, Any, str]) -> list[Reading]:
    return [(label, text, value is not None) for label, value, text in readings]
