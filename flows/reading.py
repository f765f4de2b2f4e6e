"""What workers do with delivered files: read, land, judge, summarize, and stage the rows for the committer.

Files come in small batches because Great Expectations costs a tenth of a second a call, whatever it judges. Nothing
here depends on which files share a batch, on what is loaded already, or on the process it runs in.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows.calendar import trading_calendar
from flows.deliveries import read_delivered
from flows.expectations import judge
from flows.internal_tables import RULE_SCHEMA
from flows.landing import LandedFile, content_hash, land_in, read_from
from flows.object_store import Store
from flows.partition_files import PartitionFile, write_partition
from flows.receipt import rows_after_receipt
from flows.sources import ROW_NUMBER, Reading, open_delivery, recognize
from flows.staging import READING, stage, staged, staged_name
from transforms.errors import AlvhError, DataError, RefusedFile, UnrecognizedFile
from transforms.quality import SUMMARY_SCHEMA, snapshot_summary
from transforms.schemas import BY_NAME, OPTION_QUOTE
from transforms.sessions import TradingCalendar

QUOTES = OPTION_QUOTE.full_name
REJECTED = "quarantine.rejected_row"
SNAPSHOTS = "snapshots"
MOST_UNREADABLE_DATES = 0.2
RULES = "rules"


@dataclass(frozen=True)
class Places:
    """Where workers find and leave things: landing, staging and the store of partition files."""

    landing: Store
    staging: Store
    partitions: Store


@dataclass(frozen=True)
class Delivery:
    """A file to be read: landed already, or delivered at `path` with the bytes that `sha256` names."""

    name: str
    sha256: str
    path: Path | None = None
    follow_links: bool = True
    landed: LandedFile | None = None


@dataclass(frozen=True)
class Batch:
    """Deliveries read together."""

    deliveries: tuple[Delivery, ...]
    places: Places


@dataclass(frozen=True)
class FileRead:
    """What a delivered file holds.

    `frames` are its accepted rows by table, option quotes apart, which stay staged; `snapshots` summarizes those.
    `refusal` says why it cannot serve: then everything else is empty, and it is landed only if it was before.
    """

    sha256: str
    refusal: str | None = None
    landed: LandedFile | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    rejected: pl.DataFrame = field(default_factory=BY_NAME[REJECTED].empty)
    rules: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RULE_SCHEMA))
    snapshots: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SUMMARY_SCHEMA))


@dataclass(frozen=True)
class ChosenSnapshot:
    """The snapshot of a root that enters core: a kind of a landed file."""

    root: str
    landed: LandedFile
    snapshot_kind: str


@dataclass(frozen=True)
class SessionChoice:
    """The snapshots that make up a session of core.option_quote, and where they are."""

    session_date: date
    snapshots: tuple[ChosenSnapshot, ...]
    places: Places


def read_batch(batch: Batch) -> list[FileRead]:
    """Read, land and judge the files of a batch, in their order; what was staged before is taken from there.

    Raises
    ------
    DataError
        If a file that was landed before cannot be read any more.
    """
    calendar = trading_calendar()
    found: dict[str, FileRead] = {}
    fresh: list[tuple[LandedFile, Reading]] = []
    for delivery in batch.deliveries:
        kept = _staged_read(delivery, batch.places) if delivery.landed else None
        if kept is not None:
            found[delivery.sha256] = kept
            continue
        try:
            fresh.append(_read(delivery, batch.places.landing, calendar=calendar))
        except (RefusedFile, UnrecognizedFile) as error:
            found[delivery.sha256] = _refused(delivery, str(error))
        except OSError as error:
            if delivery.landed:
                raise
            found[delivery.sha256] = _refused(delivery, f"{delivery.name} cannot be read: {error}")
        except DataError as error:
            if delivery.landed:
                raise
            found[delivery.sha256] = _refused(delivery, str(error))
    for read in _judged(fresh, staging=batch.places.staging, calendar=calendar):
        found[read.sha256] = read
    return [found[delivery.sha256] for delivery in batch.deliveries]


def assemble_session(choice: SessionChoice) -> PartitionFile:
    """Write the rows of core.option_quote of a session, from what is staged of its files, else from landing."""
    return write_partition(choice.places.partitions, OPTION_QUOTE, session_quotes(choice))


def session_quotes(choice: SessionChoice) -> pl.DataFrame:
    """Return the rows of core.option_quote of a session."""
    parts = []
    for landed in sorted({snapshot.landed for snapshot in choice.snapshots}, key=lambda file: file.sha256):
        own = [snapshot for snapshot in choice.snapshots if snapshot.landed == landed]
        quotes = _accepted_quotes(landed, {snapshot.snapshot_kind for snapshot in own}, choice.places)
        wanted = pl.DataFrame(
            [(choice.session_date, snapshot.root, snapshot.snapshot_kind) for snapshot in own],
            schema={name: quotes.schema[name] for name in ("session_date", "root", "snapshot_kind")},
            orient="row",
        )
        parts.append(quotes.join(wanted, on=wanted.columns, how="semi"))
    return OPTION_QUOTE.conform(pl.concat(parts))


def staged_reading(landed: LandedFile) -> str:
    """Return the name under which the reading of a landed file is staged."""
    return staged_name(READING, landed.sha256, landed.source, landed.name)


def _accepted_quotes(landed: LandedFile, kinds: set[str], places: Places) -> pl.DataFrame:
    only = [_quotes_of(kind) for kind in sorted(kinds)]
    kept = staged(places.staging, staged_reading(landed), only=only)
    if kept is None:
        read_batch(Batch((Delivery(landed.name, landed.sha256, landed=landed),), places))
        kept = staged(places.staging, staged_reading(landed), only=only)
    if kept is None:
        raise DataError(f"the staged rows of {landed.name} vanished while they were in use; run the command again")
    return pl.concat([kept[0][name] for name in only])


def _quotes_of(kind: str) -> str:
    return f"{QUOTES} {kind}"


def _read(delivery: Delivery, landing: Store, *, calendar: TradingCalendar) -> tuple[LandedFile, Reading]:
    if delivery.landed is not None:
        return delivery.landed, _reading(delivery.name, read_from(landing, delivery.landed), calendar)[1]
    assert delivery.path is not None
    delivered = read_delivered(delivery.path, follow_links=delivery.follow_links)
    if content_hash(delivered.payload) != delivery.sha256:
        raise RefusedFile(f"{delivery.name} changed while it was read; import it again when it is complete")
    source, reading = _reading(delivery.name, delivered.payload, calendar)
    landed = land_in(landing, delivered.payload, source=source, name=delivery.name, received_at=delivered.received_at)
    return landed, reading


def _refused(delivery: Delivery, reason: str) -> FileRead:
    if delivery.landed is None:
        return FileRead(delivery.sha256, refusal=reason)
    facts = _facts(delivery.landed, Reading(n_lines=0, frames={}), [], rejected=BY_NAME[REJECTED].empty())
    return FileRead(delivery.sha256, refusal=reason, landed=delivery.landed, facts=facts)


def _reading(name: str, payload: bytes, calendar: TradingCalendar) -> tuple[str, Reading]:
    try:
        delivery = open_delivery(name, payload)
        source = recognize(delivery)
        reading = source.read(delivery, calendar=calendar)
    except AlvhError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        # One file that breaks its reader must not stop every night that finds it in the inbox.
        raise RefusedFile(
            f"{name}: reading it failed in a way this program does not know ({type(error).__name__}: {error}); "
            "report it with the file"
        ) from error
    _require_readable_dates(name, reading)
    if reading.rejected.height and not any(frame.height for frame in reading.frames.values()):
        first = reading.rejected.sort(ROW_NUMBER)["reason"][0]
        raise RefusedFile(
            f"{name}: begins like {source.NAME}, but none of its {reading.n_lines} lines can be read "
            f"(the first: {first})"
        )
    return source.NAME, reading


def _require_readable_dates(name: str, reading: Reading) -> None:
    """Refuse a file many of whose dates cannot be read: where the day stands first, the others are misread."""
    bad = reading.rejected.filter(pl.col("rule") == "bad_date").sort(ROW_NUMBER)
    n_bad = bad.select("table_name", ROW_NUMBER).n_unique()
    if n_bad > MOST_UNREADABLE_DATES * reading.n_rows and n_bad < reading.n_rows:
        raise RefusedFile(
            f"{name}: {n_bad} of {reading.n_rows} rows have dates of another form (the first: {bad['reason'][0]}), so "
            "the others may be misread; download the file again with the vendor's own dates"
        )


def _judged(
    reads: Sequence[tuple[LandedFile, Reading]], *, staging: Store, calendar: TradingCalendar
) -> list[FileRead]:
    """Judge the rows of files together, and stage what each file makes of it."""
    accepted: dict[str, dict[str, pl.DataFrame]] = {landed.sha256: {} for landed, _ in reads}
    rejected: list[pl.DataFrame] = [_with_hash(reading.rejected, landed) for landed, reading in reads]
    rules: dict[str, pl.DataFrame] = {}
    for name in sorted({name for _, reading in reads for name in reading.frames}):
        table = BY_NAME[name]
        frames = []
        for landed, reading in reads:
            if name not in reading.frames:
                continue
            own = _with_hash(reading.frames[name], landed).select([*table.column_names, ROW_NUMBER])
            own, late = rows_after_receipt(table, own, received_at=landed.received_at)
            frames.append(own)
            rejected.append(late)
        judgement = judge(table, pl.concat(frames), sessions=calendar.sessions)
        for (sha256,), rows in judgement.accepted.partition_by("source_sha256", as_dict=True).items():
            accepted[sha256][name] = rows.select(table.column_names)
        rejected.append(judgement.rejected)
        rules[name] = judgement.checks.select("table_name", pl.col("check_name").alias("rule"))
    refused = pl.concat(
        [frame.select(BY_NAME[REJECTED].column_names) for frame in rejected or [BY_NAME[REJECTED].empty()]]
    )
    found = []
    for landed, reading in reads:
        kept = {name: accepted[landed.sha256].get(name, BY_NAME[name].empty()) for name in reading.frames}
        known = pl.concat([pl.DataFrame(schema=RULE_SCHEMA), *(rules[name] for name in sorted(reading.frames))])
        of_file = refused.filter(pl.col("source_sha256") == landed.sha256)
        found.append(_staged_anew(landed, reading, kept, rejected=of_file, rules=known, staging=staging))
    return found


def _staged_anew(
    landed: LandedFile,
    reading: Reading,
    accepted: dict[str, pl.DataFrame],
    *,
    rejected: pl.DataFrame,
    rules: pl.DataFrame,
    staging: Store,
) -> FileRead:
    quotes = accepted.pop(QUOTES, OPTION_QUOTE.empty())
    frames = {**accepted, REJECTED: rejected, RULES: rules, SNAPSHOTS: snapshot_summary(quotes)}
    kinds = {_quotes_of(kind): rows for (kind,), rows in quotes.partition_by("snapshot_kind", as_dict=True).items()}
    facts = _facts(landed, reading, [*accepted.values(), quotes], rejected=rejected)
    stage(staging, staged_reading(landed), frames={**frames, **kinds}, facts=facts)
    return _file_read(landed, frames, facts)


def _staged_read(delivery: Delivery, places: Places) -> FileRead | None:
    assert delivery.landed is not None
    small = [REJECTED, RULES, SNAPSHOTS, *BY_NAME]
    kept = staged(places.staging, staged_reading(delivery.landed), only=[name for name in small if name != QUOTES])
    return None if kept is None else _file_read(delivery.landed, *kept)


def _file_read(landed: LandedFile, frames: dict[str, pl.DataFrame], facts: dict[str, Any]) -> FileRead:
    apart = {REJECTED, RULES, SNAPSHOTS}
    return FileRead(
        sha256=landed.sha256,
        landed=landed,
        facts=facts,
        frames={name: frame for name, frame in frames.items() if name not in apart},
        rejected=frames[REJECTED],
        rules=frames[RULES],
        snapshots=frames[SNAPSHOTS],
    )


def _facts(
    landed: LandedFile, reading: Reading, accepted: Sequence[pl.DataFrame], *, rejected: pl.DataFrame
) -> dict[str, Any]:
    """Return what a file's row of core.landed_file says, as JSON can hold it."""
    days = [frame["session_date"] for frame in accepted if "session_date" in frame.columns and frame.height]
    first = min((series.min() for series in days), default=None)  # type: ignore[type-var]
    last = max((series.max() for series in days), default=None)  # type: ignore[type-var]
    return {
        "landed": {**asdict(landed), "received_at": landed.received_at.isoformat()},
        "stamped_at": reading.stamped_at.isoformat() if reading.stamped_at else None,
        "first_session": str(first) if first else None,
        "last_session": str(last) if last else None,
        "n_lines": reading.n_lines,
        "n_rows": reading.n_rows,
        "n_loaded": sum(frame.height for frame in accepted),
        "n_rejected": rejected.select("table_name", ROW_NUMBER).n_unique() if rejected.height else 0,
        "unknown_columns": ", ".join(reading.unknown_columns) or None,
        "notes": " ".join(reading.notes) or None,
    }


def _with_hash(frame: pl.DataFrame, landed: LandedFile) -> pl.DataFrame:
    return frame.with_columns(pl.lit(landed.sha256).alias("source_sha256"))
