"""What becomes of a file's rows once validation has judged them too."""

import polars as pl

from flows.expectations import judge
from flows.sources import Reading
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table


def judged(
    reading: Reading, table: Table, calendar: TradingCalendar
) -> tuple[pl.DataFrame, list[tuple[str, str, int]]]:
    """Return the rows accepted, and rule, reason and line of every rejection: the source's first, then validation's."""
    frame = reading.frames[table.full_name].with_columns(pl.lit("0" * 64).alias("source_sha256"))
    judgement = judge(table, frame, sessions=calendar.sessions)
    rejected = [
        own.select("rule", "reason", "source_row_number").rows() for own in (reading.rejected, judgement.rejected)
    ]
    return judgement.accepted, [*rejected[0], *rejected[1]]
