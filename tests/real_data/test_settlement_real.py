"""Settlement values from the real VX, VIX and SPX files."""

from pathlib import Path

import polars as pl
import pytest

from flows.sources import open_delivery, recognize
from transforms.book.settlement import settlement_values
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.real_data


def test_vix_options_settle_to_their_futures_last_line_and_not_to_the_close(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    def frames(path: Path) -> dict[str, pl.DataFrame]:
        delivery = open_delivery(path.name, path.read_bytes())
        return recognize(delivery).read(delivery, calendar=calendar).frames

    contracts = [frames(path) for path in sorted((shared_data / "vx_futures/current").glob("*.csv"))]
    stated = pl.concat([own["core.settlement_value"] for own in contracts if "core.settlement_value" in own])
    index = [shared_data / "index_history" / name for name in ("spx_daily_2019_2026.csv", "VIX_History.csv.gz")]
    levels = pl.concat([frames(path)["core.index_level"] for path in index])
    values = settlement_values(stated, levels, calendar=calendar)

    options = values.filter(pl.col("root").is_in(["VIX", "VIXW"]))
    futures = values.filter(pl.col("root") == "VX").select("expiration", "value")
    assert futures.height == 275
    paired = options.join(futures, on="expiration", validate="m:1", suffix="_of_future")
    assert paired.height == options.height == 2 * 275
    assert (paired["value"] == paired["value_of_future"]).all()
    vix = levels.filter(pl.col("symbol") == "VIX").select("session_date", "open", "close")
    beside = options.join(vix, left_on="fixed_on", right_on="session_date", validate="m:1")
    assert (beside["value"] == beside["close"]).mean() < 0.01  # type: ignore[operator]
    # The opening quotation is near the index's first print, hours before the close.
    assert (beside["value"] - beside["open"]).abs().median() < (beside["value"] - beside["close"]).abs().median()  # type: ignore[operator]

    spx = values.filter((pl.col("fixed_on") == pl.col("expiration")) & pl.col("root").is_in(["SPX", "SPXW"]))
    opens = levels.filter(pl.col("symbol") == "SPX")["open"].count()
    assert spx.group_by("root", "source", "exact").len().sort("root").rows() == [
        ("SPX", "index_open", False, opens),
        ("SPXW", "index_close", True, 1909),
    ]
