"""Compare the sample market with real histories: a Markdown table on stdout, a plot in docs/images.

Run: python -m benchmarks.stylized_facts
Simulated: `N_PATHS` paths of `N_SESSIONS` sessions, indices computed from each session's option quotes. Real: the
histories in ../shared/data from 2006 on (VIX9D, VIX3M, VIX6M, VX and breadth as far as they reach); without them the
real column and curves are left out.
"""

from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import kurtosis, skew

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.sample_market.clock import variance_clock
from transforms.sample_market.daily import breadth, published_closes, vx_contracts
from transforms.sample_market.macro import macro_events
from transforms.sample_market.model import DEFAULT_MODEL
from transforms.sample_market.path import CLOSE, simulated_path
from transforms.schemas import FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH
from transforms.sessions import vix_monthly_expirations

CHECKOUT = Path(__file__).resolve().parents[1]
REAL = CHECKOUT.parent / "shared" / "data"
PLOT = CHECKOUT / "docs" / "images" / "stylized_facts.svg"
N_PATHS, N_SESSIONS = 4, 1_500
FIRST_DAY, HORIZON = date(2010, 1, 4), date(2035, 12, 31)
REAL_FROM = date(2006, 1, 3)
REALIZED_WINDOW = 20
INDICES = ("VIX9D", "VIX", "VIX3M", "VIX6M", "VVIX", "SKEW")
QUANTILES = (0.05, 0.5, 0.95)
COLORS = {"real": "#5b5b5b", "simulated": "#1f77b4"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """Daily closes of one market: one row a session with SPX, the indices, contango_ratio, basis_ratio and breadth."""

    frame: pl.DataFrame

    def values(self, name: str) -> Floats:
        """Return a column without nulls."""
        return self.frame[name].drop_nulls().to_numpy()

    def derived(self) -> "History":
        """Return the history with returns, realized volatility and log changes."""
        log_return = pl.col("SPX").log().diff()
        return History(
            self.frame.sort("session_date").with_columns(
                spx_return=log_return,
                realized=100.0 * np.sqrt(252.0) * log_return.rolling_std(REALIZED_WINDOW),
                vix_change=pl.col("VIX").log().diff(),
                vvix_change=pl.col("VVIX").log().diff(),
                log_vix=pl.col("VIX").log(),
            )
        )


def simulated_history(seed: int) -> History:
    """Return one simulated path."""
    calendar = trading_calendar()
    events = macro_events(FIRST_DAY, HORIZON, calendar=calendar)
    clock = variance_clock(FIRST_DAY, HORIZON, calendar=calendar, events=events)
    path = simulated_path(clock, 0, last=N_SESSIONS - 1, model=DEFAULT_MODEL, seed=seed)
    closes = published_closes(path, calendar=calendar)
    monthlies = [contract for contract in vx_contracts(path, calendar=calendar) if contract.is_monthly]
    settle = np.full((N_SESSIONS, len(monthlies)), np.nan)
    for column, contract in enumerate(monthlies):
        alive = contract.rows[clock.sessions[contract.rows] < np.datetime64(contract.expiration)]
        settle[alive, column] = contract.settle[: len(alive)]
    front = np.argmax(~np.isnan(settle), axis=1)
    vx1, vx2 = settle[np.arange(N_SESSIONS), front], settle[np.arange(N_SESSIONS), front + 1]
    counts = breadth(path)
    frame = pl.DataFrame(
        {
            "session_date": clock.sessions[:N_SESSIONS],
            "SPX": path.spot[:, CLOSE],
            **{name: np.array([row[name] for row in closes]) for name in INDICES},
            "contango_ratio": vx2 / vx1 - 1.0,
            "breadth": (counts[:, 0] - counts[:, 1]) / (counts[:, 0] + counts[:, 1]),
        }
    )
    return History(frame.with_columns(basis_ratio=vx1 / frame["VIX"].to_numpy() - 1.0)).derived()


def real_history() -> History | None:
    """Return the real histories, or None where they are not present."""
    if not REAL.is_dir():
        return None
    frame = _real_levels("SPX_History_yahoo_in_cboe_layout.csv.gz", "SPX")
    for name in INDICES:
        found = sorted((REAL / "index_history").glob(f"{name}_History.csv*"))[0].name
        frame = frame.join(_real_levels(found, name), on="session_date", how="left")
    frame = frame.with_columns(
        # The one bad print of the VVIX history: 15.71 on 2006-03-15.
        VVIX=pl.when(pl.col("VVIX") > 30.0).then("VVIX")
    )
    frame = frame.join(_real_term_structure(), on="session_date", how="left")
    frame = frame.with_columns(basis_ratio=pl.col("vx1") / pl.col("VIX") - 1.0)
    return History(frame.join(_real_breadth(), on="session_date", how="left")).derived()


def _real_levels(name: str, symbol: str) -> pl.DataFrame:
    frame = _read(REAL / "index_history" / name, INDEX_LEVEL.full_name)
    return frame.filter(pl.col("session_date") >= REAL_FROM).select("session_date", pl.col("close").alias(symbol))


def _real_term_structure() -> pl.DataFrame:
    calendar = trading_calendar()
    monthlies = vix_monthly_expirations(date(2004, 1, 1), date(2026, 12, 31), calendar=calendar)
    files = [path for folder in ("current", "legacy") for path in sorted((REAL / "vx_futures" / folder).glob("*.csv"))]
    rows = pl.concat(
        [
            _read(path, FUTURES_SETTLEMENT.full_name).select(
                "session_date", "expiration", pl.coalesce("settle", "close").alias("settle")
            )
            for path in files
        ]
    )
    ranked = (
        rows.filter(pl.col("settle").is_not_null() & (pl.col("session_date") < pl.col("expiration")))
        .unique(["session_date", "expiration"], keep="first", maintain_order=True)
        .join(
            pl.DataFrame({"expiration": monthlies}).with_row_index("month"),
            on="expiration",
            how="inner",
            validate="m:1",
        )
    )
    # Contract months are counted on the calendar, so that a missing file leaves a gap and not a wrong pair.
    first_alive = pl.DataFrame({"front": monthlies}).with_row_index("front_month").sort("front")
    ranked = ranked.sort("session_date").join_asof(
        first_alive, left_on="session_date", right_on="front", strategy="forward", allow_exact_matches=False
    )
    rank = (pl.col("month") - pl.col("front_month")).cast(pl.Int64)
    pairs = ranked.with_columns(rank=rank).filter(pl.col("rank").is_in([0, 1]))
    wide = pairs.pivot("rank", index="session_date", values="settle").drop_nulls()
    return wide.select("session_date", vx1="0", contango_ratio=pl.col("1") / pl.col("0") - 1.0)


def _real_breadth() -> pl.DataFrame:
    frame = _read(REAL / "nyse_breadth" / "advance_decline.csv.gz", MARKET_BREADTH.full_name)
    ups, downs = pl.col("advances"), pl.col("declines")
    return frame.select("session_date", breadth=(ups - downs) / (ups + downs))


def _read(path: Path, table: str) -> pl.DataFrame:
    delivery = open_delivery(path.name, path.read_bytes())
    return recognize(delivery).read(delivery, calendar=trading_calendar()).frames[table]


def facts(history: History) -> dict[str, str]:
    """Return the stylized facts of one history, in the order of the table, ready to print."""
    frame = history.frame

    def correlation(first: str, second: str) -> float:
        return float(frame.select(first, second).drop_nulls().select(pl.corr(first, second)).item())

    def lagged(days: int) -> float:
        return float(
            frame.select(now="log_vix", then=pl.col("log_vix").shift(days))
            .drop_nulls()
            .select(pl.corr("now", "then"))
            .item()
        )

    def share(rule: pl.Expr) -> str:
        return f"{100 * frame.select(rule.drop_nulls().mean()).item():.0f}%"

    found = {}
    for name, label in (
        ("realized", f"{REALIZED_WINDOW}-day realized volatility (points)"),
        *((name, name) for name in INDICES),
    ):
        values = history.values(name)
        low, middle, high = np.quantile(values, QUANTILES)
        found[f"{label}: mean, deviation"] = f"{values.mean():.1f}, {values.std():.1f}"
        found[f"{label}: 5%, 50%, 95%"] = f"{low:.1f}, {middle:.1f}, {high:.1f}"
    returns = history.values("spx_return")
    found["SPX daily return: excess kurtosis, skewness"] = f"{kurtosis(returns):.1f}, {skew(returns):.2f}"
    found["correlation of SPX return and VIX log change"] = f"{correlation('spx_return', 'vix_change'):.2f}"
    found["deviation of daily VIX, VVIX log change"] = (
        f"{history.values('vix_change').std():.3f}, {history.values('vvix_change').std():.3f}"
    )
    found["correlation of VIX and VVIX: changes, levels"] = (
        f"{correlation('vix_change', 'vvix_change'):.2f}, {correlation('VIX', 'VVIX'):.2f}"
    )
    found["autocorrelation of log VIX: 1, 21, 63 sessions"] = ", ".join(f"{lagged(days):.2f}" for days in (1, 21, 63))
    found["VIX3M above VIX, VIX6M above VIX3M"] = (
        f"{share(pl.col('VIX3M') > pl.col('VIX'))}, {share(pl.col('VIX6M') > pl.col('VIX3M'))}"
    )
    found["VX2 above VX1, by more than 8%"] = (
        f"{share(pl.col('contango_ratio') > 0.0)}, {share(pl.col('contango_ratio') > 0.08)}"
    )
    low, middle, high = 100 * np.quantile(history.values("contango_ratio"), QUANTILES)
    found["contango ratio: 5%, 50%, 95%"] = f"{low:.1f}%, {middle:.1f}%, {high:.1f}%"
    low, middle, high = 100 * np.quantile(history.values("basis_ratio"), QUANTILES)
    found["VX1/VIX - 1: 5%, 50%, 95%"] = f"{low:.1f}%, {middle:.1f}%, {high:.1f}%"
    found["net advances / issues: deviation, correlation with SPX return"] = (
        f"{history.values('breadth').std():.2f}, {correlation('breadth', 'spx_return'):.2f}"
    )
    return found


def plot(histories: dict[str, History]) -> alt.ConcatChart:
    """Return cumulative distributions of six series, simulated over real."""
    panels = []
    series = {
        "realized": "20-day realized volatility",
        "VIX": "VIX",
        "VVIX": "VVIX",
        "contango_ratio": "VX2/VX1 - 1",
        "vix_change": "daily log change of VIX",
        "spx_return": "SPX daily return",
    }
    shares = np.concatenate([np.linspace(0.002, 0.05, 15), np.linspace(0.06, 0.94, 45), np.linspace(0.95, 0.998, 15)])
    for name, title in series.items():
        points = pl.concat(
            [
                pl.DataFrame(
                    {
                        "value": np.round(np.quantile(history.values(name), shares), 5),
                        "share": np.round(shares, 4),
                        "market": market,
                    }
                )
                for market, history in histories.items()
            ]
        )
        panels.append(
            alt.Chart(points)
            .mark_line(strokeWidth=1.5)
            .encode(
                x=alt.X("value:Q", title=title),
                y=alt.Y("share:Q", title="share at or below", scale=alt.Scale(domain=[0, 1])),
                color=alt.Color(
                    "market:N",
                    title=None,
                    scale=alt.Scale(domain=list(histories), range=[COLORS[market] for market in histories]),
                ),
                order="share:Q",
            )
            .properties(width=230, height=150)
        )
    return alt.concat(*panels, columns=3)


def main() -> None:
    """Print the table and write the plot."""
    with get_context("spawn").Pool(2) as pool:
        paths = pool.map(simulated_history, range(1, N_PATHS + 1))
    pooled = History(pl.concat([path.frame for path in paths]))
    per_path = [facts(path) for path in paths]
    whole = facts(pooled)
    # Levels and shares are pooled; what links neighbouring rows must not cross from one path to the next.
    linked = "autocorrelation of log VIX: 1, 21, 63 sessions"
    lags = np.mean([[float(part) for part in found[linked].split(", ")] for found in per_path], axis=0)
    whole[linked] = ", ".join(f"{value:.2f}" for value in lags)
    real = real_history()
    columns = {"simulated": whole} | ({"real": facts(real)} if real else {})
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for label in whole:
        print(f"| {label} | " + " | ".join(column[label] for column in columns.values()) + " |")
    histories = {"real": real, "simulated": pooled} if real else {"simulated": pooled}
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    plot(histories).save(PLOT)


if __name__ == "__main__":
    main()
