"""A small invented market in vendor layouts, for tests of the pipeline: the numbers follow formulas, not a model.

Enough for every daily table to have rows: seven monthly VX contracts on every session, VIX, VVIX and SPX histories,
breadth, Treasury yields, an event calendar, and a chain of 2 roots on chosen sessions.
"""

import math
import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from transforms.sessions import TradingCalendar, vix_monthly_expirations

MODIFIED = datetime(2024, 3, 1).timestamp()
SPEC_HEADER = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"
MONTHS = "FGHJKMNQUVXZ"


@dataclass(frozen=True)
class SmallMarket:
    """Files by name, and the truth behind them."""

    files: dict[str, bytes]
    sessions: list[date]
    chain_sessions: list[date]

    def write(self, folder: Path, *, names: list[str] | None = None) -> list[Path]:
        """Write the files (or those named) into a folder with one modification time; return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name in names or sorted(self.files):
            path = folder / name
            path.write_bytes(self.files[name])
            os.utime(path, (MODIFIED, MODIFIED))
            paths.append(path)
        return paths


def settle(session: date, expiration: date, *, shift: float = 0.0) -> float:
    """Return the invented settlement of a contract, on the 0.05 grid."""
    days = (expiration - session).days
    day = session.toordinal()
    level = 16 + 4 * math.sin(day / 47) + 1.3 * math.sin(day / 5.1) + 2.2 * math.sqrt(max(days, 0) / 30)
    return round(round((level + shift) * 20) / 20, 2)


def small_market(
    calendar: TradingCalendar, *, first: date = date(2023, 1, 3), last: date = date(2024, 2, 29), n_chains: int = 2
) -> SmallMarket:
    """Return the market from `first` to `last` with chains on the last `n_chains` sessions."""
    sessions = calendar.between(first, last)
    files: dict[str, bytes] = {}
    for expiration in vix_monthly_expirations(first, last + timedelta(days=290), calendar=calendar):
        files[f"VX_{expiration}.csv"] = vx_file(sessions, expiration)
    files["VIX_History.csv"] = _ohlc_file(sessions, lambda day: round(_vix(day), 2))
    files["SPX_History.csv"] = _ohlc_file(sessions, lambda day: round(_spx(day), 2))
    rows = [f"{day:%m/%d/%Y},{80 + 12 * math.sin(day.toordinal() / 31):.6f}" for day in sessions]
    files["VVIX_History.csv"] = "\n".join(["DATE,VVIX", *rows, ""]).encode()
    files["nyse_breadth.csv"] = _breadth_file(sessions)
    for year in sorted({day.year for day in sessions}):
        files[f"daily-treasury-rates_{year}.csv"] = _treasury_file([day for day in sessions if day.year == year])
    files["macro_events.csv"] = _events_file()
    chains = sessions[-n_chains:] if n_chains else []
    for day in chains:
        files[f"spx_quotedata_{day}.csv"] = chain_file(day, calendar)
    return SmallMarket(files=files, sessions=sessions, chain_sessions=chains)


def vx_file(sessions: list[date], expiration: date, *, restated: dict[date, float] | None = None) -> bytes:
    """Return one VX contract in Cboe's current layout; `restated` replaces settlements of sessions."""
    label = f"{MONTHS[expiration.month - 1]} ({expiration:%b %Y})"
    lines = [SPEC_HEADER]
    listed = [day for day in sessions if expiration - timedelta(days=270) <= day <= expiration]
    for day in listed:
        value = (restated or {}).get(day, settle(day, expiration))
        low, high = value - 0.3, value + 0.4
        lines.append(
            f"{day},{label},{value - 0.1:.4f},{high:.4f},{low:.4f},{value:.4f},{value:.4f},0.05,1200,0,{5000 + day.day}"
        )
    return ("\r\n".join(lines) + "\r\n").encode()


def chain_file(day: date, calendar: TradingCalendar, *, listed_on: date | None = None) -> bytes:
    """Return a quotedata CSV of the session `day`, downloaded at 18:05 New York: SPX and SPXW, two expirations each.

    The expirations are so many sessions after `listed_on`, by default after the day itself.
    """
    spot = round(_spx(day), 2)
    lines = [
        "",
        f"Standard & Poors 500 Index,Last: {spot},Change:  1.5",
        f'"Date: {day:%B} {day.day}, {day.year} at 6:05 PM EST",Bid: {spot - 1},Ask: {spot + 1},Size: 1*1,Volume: 0',
        "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,"
        "Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest",
    ]
    for root, days_ahead in (("SPXW", 7), ("SPXW", 35), ("SPX", 35), ("SPX", 63)):
        expiration = calendar.after(listed_on or day, days_ahead)
        years = (expiration - day).days / 365
        for strike in range(int(spot * 0.8) // 25 * 25, int(spot * 1.15), 25):
            call, put = _prices(spot, strike, years)
            cells = []
            for kind, price in (("C", call), ("P", put)):
                bid = max(round((price * 0.985 - 0.05) * 20) / 20, 0.0)
                ask = round((price * 1.015 + 0.10) * 20) / 20
                symbol = f"{root}{expiration:%y%m%d}{kind}{strike * 1000:08d}"
                cells.append(f"{symbol},{price:.2f},0,{bid:.2f},{ask:.2f},10,0.1800,0.4,0.001,{100 + strike % 7}")
            lines.append(f"{expiration:%a %b %d %Y},{cells[0]},{strike:.2f},{cells[1]}")
    return ("\n".join(lines) + "\n").encode()


def _prices(spot: float, strike: float, years: float) -> tuple[float, float]:
    deviation = 0.18 * math.sqrt(years) * spot
    d = (spot - strike) / deviation
    density = math.exp(-d * d / 2) / math.sqrt(2 * math.pi)
    call = (spot - strike) * (1 + math.erf(d / math.sqrt(2))) / 2 + deviation * density
    return call, call - (spot - strike)


def _vix(day: date) -> float:
    return 15 + 3.5 * math.sin(day.toordinal() / 47) + 1.7 * math.sin(day.toordinal() / 5.1)


def _spx(day: date) -> float:
    return 4100 + 1.9 * (day.toordinal() - date(2023, 1, 3).toordinal()) + 60 * math.sin(day.toordinal() / 23)


def _ohlc_file(sessions: list[date], close: "object") -> bytes:
    rows = []
    for day in sessions:
        value = close(day)  # type: ignore[operator]
        rows.append(f"{day:%m/%d/%Y},{value:.6f},{value + 0.5:.6f},{value - 0.5:.6f},{value:.6f}")
    return "\n".join(["DATE,OPEN,HIGH,LOW,CLOSE", *rows, ""]).encode()


def _breadth_file(sessions: list[date]) -> bytes:
    rows = ["Date,Issues,Adv,Dec,Unch,NewHighs,NewLows,AdvVol,DecVol,TotalVol"]
    for day in sessions:
        advances = 1400 + round(600 * math.sin(day.toordinal() / 9))
        rows.append(f"{day},2831,{advances},{2831 - 90 - advances},90,40,30,1,1,2")
    return ("\n".join(rows) + "\n").encode()


def _treasury_file(sessions: list[date]) -> bytes:
    rows = ['Date,"1 Mo","3 Mo","6 Mo","1 Yr","2 Yr"']
    rows += [f"{day:%m/%d/%Y},5.30,5.35,5.31,5.02,4.61" for day in reversed(sessions)]
    return ("\n".join(rows) + "\n").encode()


def _events_file() -> bytes:
    rows = ["date,event,detail,ref_period,time_et,source"]
    rows += [
        "2024-02-13,cpi,Consumer Price Index release,January 2024,08:30,bls:sched2024",
        "2024-02-16,ppi,Producer Price Index release,January 2024,08:30,bls:sched2024",
        "2024-03-20,fomc_decision,FOMC decision,,14:00,fed:calendar",
    ]
    return ("\n".join(rows) + "\n").encode()
