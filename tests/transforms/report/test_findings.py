"""What is shown first, and what a leg is called."""

from datetime import date

from tests.transforms.report.nights import night_of
from transforms.report.findings import detector_documents, finding_counts, finding_documents, leg_words, tail_document
from transforms.schemas import DETECTOR_RECORD, MISPRICING, MISPRICING_LEG, TAIL_SCENARIO

EXPIRATION = date(2026, 12, 18)


def finding(name: str, confidence: str, **given: object) -> dict[str, object]:
    return {"finding_id": name, "kind": "conversion", "root": "SPX", "expiration": EXPIRATION, "confidence": confidence,
            "from_flagged_quotes": False, "first_seen": EXPIRATION, **given}  # fmt: skip


def test_findings_are_ranked_by_what_can_be_had_and_then_by_dollars() -> None:
    rows = [
        finding("indicative", "indicative", z_score=9.0, edge_half_spreads=None),
        finding("doubtful", "executable", edge_dollars=900.0, from_flagged_quotes=True),
        finding("small", "executable", edge_dollars=10.0),
        finding("large", "executable", edge_dollars=500.0),
        finding("conditional", "conditional", edge_dollars=5000.0),
    ]
    night = night_of({MISPRICING: rows})
    assert [row["finding_id"] for row in finding_documents(night)] == [
        "large", "small", "doubtful", "conditional", "indicative",
    ]  # fmt: skip
    assert finding_counts(night) == {"all": 5, "executable": 3, "conditional": 1, "indicative": 1}


def test_a_finding_carries_its_legs_in_words() -> None:
    leg = {"finding_id": "a", "leg": 1, "instrument": "option", "root": "SPX", "expiration": EXPIRATION,
           "strike": 6090.0, "option_type": "put", "side": "buy", "quantity": 1.0, "price": 36.2}  # fmt: skip
    (row,) = finding_documents(night_of({MISPRICING: [finding("a", "executable")], MISPRICING_LEG: [leg]}))
    assert row["legs"] == ["buy 1 SPX 18 Dec 2026 6090 put at 36.2"]
    future = {**leg, "instrument": "future", "root": "VX", "strike": None, "option_type": None, "price": None}
    assert leg_words(future) == "buy 1 VX 18 Dec 2026 future"


def test_a_detector_shows_its_newest_record_though_it_found_nothing_tonight() -> None:
    rows = [
        {"kind": "conversion", "n_found": n, "session_date": day}
        for n, day in ((3, date(2026, 10, 1)), (4, date(2026, 10, 7)))
    ]
    (row,) = detector_documents(night_of({DETECTOR_RECORD: rows}))
    assert row["n_found"] == 4


def test_the_tail_table_names_the_book_before_its_parts_and_keeps_the_grid() -> None:
    rows = [
        {"subject": subject, "horizon": "instant", "vix": vix, "spx_return": move, "is_pair": pair, "value": 10.0 * vix}
        for subject in ("SPXW candidate", "condor", "book")
        for vix, move, pair in ((30.0, -0.05, True), (40.0, -0.10, True), (40.0, -0.05, False))
    ]
    tail = tail_document(night_of({TAIL_SCENARIO: rows}))
    assert tail["moves"] == [(30.0, -0.05), (40.0, -0.10)]
    assert [row["subject"] for row in tail["subjects"]] == ["book", "condor", "SPXW candidate"]
    assert tail["subjects"][0]["values"] == {"instant": [300.0, 400.0]}
    assert tail["grid"]["vix"] == [30.0, 40.0]
    assert tail["grid"]["rows"][0] == {"spx_return": -0.05, "values": [300.0, 400.0]}
    assert tail["grid"]["scale"] == 400.0
