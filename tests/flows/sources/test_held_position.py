"""The positions their owner states, leg by leg."""

import json
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from flows.sources import Reading, open_delivery, registry
from flows.sources import held_position as source
from tests.flows.sources.judged import judged
from tests.slow import SLOW
from transforms.errors import RefusedFile
from transforms.schemas import HELD_POSITION, POSITION_LEG
from transforms.sessions import TradingCalendar

HEADER = (
    "position_id,leg,engine,root,expiration,strike,option_type,quantity,opened_on,entry_price,closed_on,exit_price,fees"
)
CONDOR = (
    "march,1,condor,SPX,2024-04-19,4700,put,1,2024-03-04,18.40,,,1.50",
    "march,2,condor,SPX,2024-04-19,4800,put,-1,2024-03-04,24.10,,,1.50",
    "march,3,condor,SPX,2024-04-19,5350,call,-1,2024-03-04,21.70,,,1.50",
    "march,4,condor,SPX,2024-04-19,5450,call,1,2024-03-04,9.30,,,1.50",
)
LAYER = (
    "layer,1,second,VIX,2024-04-17,15,call,-2,2024-03-05,2.15,2024-03-12,1.90,",
    "layer,2,second,VIX,2024-04-17,20,call,4,2024-03-05,0.98,2024-03-12,0.75,",
)


BAD_LEGS = [
    (CONDOR[1].replace("2024-04-19", "19 April"), "bad_date", "expiration 19 April is no date"),
    (CONDOR[1].replace("2024-03-04", "03/04/24"), "bad_date", "opened_on 03/04/24 is no date"),
    (CONDOR[1].replace("4800", "4800P"), "bad_number", "strike 4800P is no number"),
    (CONDOR[1].replace(",-1,", ",-1.5,"), "bad_number", "quantity -1.5 is no whole number"),
    (CONDOR[1].replace(",-1,", ",0,"), "no_quantity", "quantity is 0"),
    (CONDOR[1].replace(",-1,", ",,"), "quantity_missing", "quantity is missing"),
    (CONDOR[1].replace("2024-03-04", "2024-03-03"), "not_a_session", "opened_on 2024-03-03 is no trading session"),
    (CONDOR[1].replace(",,,", ",2024-03-29,5,"), "not_a_session", "closed_on 2024-03-29"),
    (CONDOR[1].replace(",,,", ",2024-03-28,,"), "half_closed", "closed_on 2024-03-28 and exit_price blank"),
    (CONDOR[1].replace(",,,", ",,3.5,"), "half_closed", "closed_on blank and exit_price 3.5"),
    (CONDOR[1].replace(",,,", ",2024-03-01,3.5,"), "dates_contradict", "closed_on 2024-03-01"),
    (CONDOR[1].replace("2024-04-19", "2024-02-16"), "dates_contradict", "expiration 2024-02-16"),
    (CONDOR[1].replace("SPX", "SPY"), "root_not_allowed", "root 'SPY' is none of"),
    (CONDOR[1].replace("put", "P"), "option_type_not_allowed", "option_type 'p'"),
    (CONDOR[1].replace("24.10", "-24.10"), "entry_price_out_of_range", "-24.1 is below 0"),
    (CONDOR[1].replace("24.10", ""), "entry_price_missing", "entry_price is missing"),
    (CONDOR[1].replace(",condor,", ",first,"), "two_engines", "name several engines"),
    (CONDOR[1].replace("march,2", "march,0"), "leg_out_of_range", "leg 0 is below 1"),
    (CONDOR[1] + ",7", "unparseable_line", "not 13 fields"),
    (CONDOR[1].replace("march,2", "march,3"), "conflicting_duplicate", "position_id, leg"),
]


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER) -> Reading:
    delivery = open_delivery("positions.csv", "\n".join([header, *lines]).encode())
    assert [name for name, module in registry().items() if module.recognizes(delivery)] == [source.NAME]
    return source.read(delivery, calendar=calendar)


def legs(frame: pl.DataFrame) -> list[tuple[str, int]]:
    return frame.select("position_id", "leg").rows()


def test_a_line_is_a_leg(calendar: TradingCalendar) -> None:
    reading = read(CONDOR[1], LAYER[0].replace("VIX", "vix").replace("call", "CALL"), calendar=calendar)
    assert reading.frames["core.held_position"].drop("source_row_number").rows() == [
        ("march", 2, "condor", "SPX", date(2024, 4, 19), 4800.0, "put", -1, date(2024, 3, 4), 24.1, None, None, 1.5),
        ("layer", 1, "second", "VIX", date(2024, 4, 17), 15.0, "call", -2, date(2024, 3, 5), 2.15,
         date(2024, 3, 12), 1.9, None),
    ]  # fmt: skip
    assert (reading.rejected.height, reading.unknown_columns) == (0, ())


def test_whole_positions_are_accepted_and_a_strange_column_is_reported(calendar: TradingCalendar) -> None:
    lines = [f"{line},why not" for line in (*CONDOR, *LAYER)]
    reading = read(*lines, calendar=calendar, header=f"{HEADER},Note")
    accepted, rejected = judged(reading, HELD_POSITION, calendar)
    assert (accepted.height, rejected, reading.unknown_columns) == (6, [], ("note",))


@pytest.mark.parametrize("missing", [name for name in HEADER.split(",") if name != "position_id"])
def test_a_missing_column_refuses_the_file_and_is_named(missing: str, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=rf"missing \({missing}\)"):
        read(CONDOR[0], calendar=calendar, header=HEADER.replace(f",{missing}", ",other"))


def test_a_bad_leg_takes_its_position_with_it_and_no_other(calendar: TradingCalendar) -> None:
    lines = []
    for number, (leg, _, _) in enumerate(BAD_LEGS):
        lines += [line.replace("march", f"march {number}") for line in (CONDOR[0], leg, *CONDOR[2:])]
    reading = read(*lines, *LAYER, calendar=calendar)
    accepted, rejected = judged(reading, HELD_POSITION, calendar)
    assert legs(accepted) == [("layer", 1), ("layer", 2)]
    assert reading.n_rows == reading.n_lines == 4 * len(BAD_LEGS) + 2
    for number, (leg, rule, said) in enumerate(BAD_LEGS):
        own = [row for row in rejected if (row[2] - 1) // 4 == number]
        assert {row[2] for row in own} == set(range(4 * number + 1, 4 * number + 5)), leg
        assert any(found == rule and said in reason for found, reason, _ in own), (leg, own)
        assert {found for found, _, _ in own} <= {rule, "incomplete_position", "engine_not_allowed"}, (leg, own)


def test_the_same_leg_twice_is_one_leg(calendar: TradingCalendar) -> None:
    accepted, rejected = judged(read(*LAYER, LAYER[1], calendar=calendar), HELD_POSITION, calendar)
    assert legs(accepted) == [("layer", 1), ("layer", 2)]
    assert [rule for rule, _, _ in rejected] == ["duplicate_row"]


def test_a_leg_without_its_position_is_rejected_alone(calendar: TradingCalendar) -> None:
    reading = read(LAYER[0].removeprefix("layer"), LAYER[1].removeprefix("layer"), *CONDOR, calendar=calendar)
    accepted, rejected = judged(reading, HELD_POSITION, calendar)
    assert legs(accepted) == [("march", leg) for leg in (1, 2, 3, 4)]
    assert [rule for rule, _, _ in rejected] == ["position_id_missing"] * 2


def test_the_legs_this_program_publishes_are_not_taken_for_it() -> None:
    export = ",".join(POSITION_LEG.column_names) + "\ncondor-1,1,2024-03-04,SPX,2024-04-19,4700,put,1,18.4\n"
    assert not source.recognizes(open_delivery("export.csv", export.encode()))


@settings(
    max_examples=1000 if SLOW else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_damage_is_rejected_or_refused_and_never_half_a_position(data: st.DataObject) -> None:
    text = "\n".join([HEADER, *CONDOR])
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(len(HEADER), len(text)))
        spoiler = data.draw(st.sampled_from(["", ",", "\n", '"', "x", "-", "0", "é", "9" * 12]))
        text = text[:position] + spoiler + text[position + data.draw(st.integers(0, 9)) :]
    delivery = open_delivery("positions.csv", text.encode())
    try:
        reading = source.read(delivery, calendar=trading_calendar())
    except RefusedFile:
        return
    assert reading.n_rows == reading.n_lines
    accepted, _ = judged(reading, HELD_POSITION, trading_calendar())
    whole = {name: own.height for (name,), own in accepted.group_by("position_id")}
    refused = {row["position_id"] for row in map(json.loads, reading.rejected["row_json"]) if "position_id" in row}
    assert not whole.keys() & refused
