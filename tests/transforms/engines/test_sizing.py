"""Sizing: whole contracts, every limit kept, the binding one named."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.engines.sizing import Account, Limits, OpenBook, Sizing, UnitTrade, package_limit, sized

ACCOUNT = Account(
    equity=500_000.0, cash=300_000.0, marketable_securities=100_000.0, receivables=0.0, current_liabilities=0.0
)
LAYER = UnitTrade("second", worst_loss=300.0, margin=300.0, share_measure=300.0, size_at_touch=50)
CONDOR = UnitTrade("condor", worst_loss=9_000.0, margin=10_000.0, size_at_touch=20)
BOOK = OpenBook(
    worst_loss=18_000.0, margin=20_000.0, weekly_condor_loss=18_000.0, condor_measure=18_000.0, layer_measure=0.0
)


def limit_of(answer: Sizing, name: str) -> object:
    return next(limit for limit in answer.limits if limit.name == name)


def test_the_layer_is_as_large_as_its_share_allows() -> None:
    # 30 % of 18,000 is 5,400: eighteen contracts of 300, exactly at the limit.
    answer = sized(LAYER, ACCOUNT, book=BOOK)
    assert (answer.contracts, answer.binding_limit) == (18, "layer_share")
    share = limit_of(answer, "layer_share")
    assert share.measured == pytest.approx(0.30)
    assert share.slack == pytest.approx(0.0)
    assert [limit.name for limit in answer.limits] == [
        "layer_share", "trade_risk", "book_risk", "quick_ratio", "size_at_touch",
    ]  # fmt: skip


def test_a_promoter_may_go_to_the_ceiling() -> None:
    assert sized(LAYER, ACCOUNT, book=BOOK, limits=Limits(layer_share=0.40)).contracts == 24


def test_a_condor_leaves_room_for_its_layer() -> None:
    # 6 % of 500,000 is 30,000; one condor with 30 % reserved takes 11,700.
    assert sized(CONDOR, ACCOUNT, book=OpenBook()).contracts == 2
    answer = sized(CONDOR, ACCOUNT, book=OpenBook(), limits=Limits(reserved_layer_share=0.0))
    assert (answer.contracts, answer.binding_limit) == (3, "trade_risk")
    assert "layer_share" not in [limit.name for limit in answer.limits]


def test_the_touch_binds() -> None:
    unit = dataclasses.replace(LAYER, size_at_touch=2)
    answer = sized(unit, ACCOUNT, book=BOOK)
    assert (answer.contracts, answer.binding_limit) == (2, "size_at_touch")


def test_unknown_sizes_bound_nothing_and_are_shown_as_unknown() -> None:
    answer = sized(dataclasses.replace(LAYER, size_at_touch=None), ACCOUNT, book=BOOK)
    assert answer.contracts == 18
    touch = limit_of(answer, "size_at_touch")
    assert touch.measured is None
    assert touch.reason == "sizes are not given"


def test_zero_is_an_answer_with_its_limit() -> None:
    poor = dataclasses.replace(ACCOUNT, equity=100_000.0)
    answer = sized(CONDOR, poor, book=OpenBook())
    assert (answer.contracts, answer.binding_limit) == (0, "trade_risk")
    assert limit_of(answer, "trade_risk").slack == pytest.approx(0.06)


def test_a_limit_broken_before_the_trade_shows_negative_slack() -> None:
    full = dataclasses.replace(BOOK, worst_loss=140_000.0)
    answer = sized(LAYER, ACCOUNT, book=full)
    assert (answer.contracts, answer.binding_limit) == (0, "book_risk")
    assert limit_of(answer, "book_risk").slack < 0.0


@pytest.mark.parametrize("name", ["equity", "cash", "marketable_securities", "receivables", "current_liabilities"])
def test_a_missing_figure_of_the_account_allows_nothing_and_is_named(name: str) -> None:
    answer = sized(LAYER, dataclasses.replace(ACCOUNT, **{name: None}), book=BOOK)
    assert answer.contracts == 0
    reason = limit_of(answer, answer.binding_limit).reason
    assert ("equity" if name == "equity" else "not stated") in reason


def test_unlimited_loss_and_no_open_condor_allow_nothing() -> None:
    answer = sized(dataclasses.replace(LAYER, worst_loss=None, share_measure=None), ACCOUNT, book=BOOK)
    assert answer.contracts == 0
    assert limit_of(answer, "trade_risk").reason == "the loss is unlimited"
    alone = sized(LAYER, ACCOUNT, book=OpenBook())
    assert (alone.contracts, alone.binding_limit) == (0, "layer_share")
    assert limit_of(alone, "layer_share").reason == "no condor is open"


def test_what_opening_costs_leaves_the_quick_assets() -> None:
    # 1,000 dollars of cash; each contract takes 100 of it and claims 100 of margin: 5 leave 500 for 500.
    account = Account(1e6, 1_000.0, 0.0, 0.0, 0.0)
    unit = UnitTrade("condor", worst_loss=1.0, margin=100.0, outlay=100.0)
    answer = sized(unit, account, book=OpenBook())
    assert (answer.contracts, answer.binding_limit) == (5, "quick_ratio")


def test_no_claims_at_all_pass_the_quick_ratio() -> None:
    unit = dataclasses.replace(CONDOR, margin=0.0)
    assert limit_of(sized(unit, ACCOUNT, book=OpenBook()), "quick_ratio").measured == math.inf


@pytest.mark.parametrize("name", ["worst_loss", "margin", "size_at_touch", "outlay"])
def test_a_negative_measure_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        sized(dataclasses.replace(LAYER, **{name: -1}), ACCOUNT, book=BOOK)


dollars = st.floats(0.0, 5e6).map(lambda amount: round(amount, 2))
shares = st.floats(0.0, 1.0)


@given(
    engine=st.sampled_from(["condor", "second"]),
    account=st.builds(Account, *[dollars] * 5),
    book=st.builds(OpenBook, *[dollars] * 5),
    limits=st.builds(Limits, shares, shares, shares, st.floats(0.0, 3.0), shares),
    loss=st.floats(1.0, 50_000.0),
    margin=st.floats(0.0, 50_000.0),
    touch=st.integers(0, 400),
)
def test_no_limit_is_ever_exceeded_and_one_more_would_exceed_one(
    engine: str, account: Account, book: OpenBook, limits: Limits, loss: float, margin: float, touch: int
) -> None:
    unit = UnitTrade(engine, worst_loss=loss, margin=margin, share_measure=loss, size_at_touch=touch)
    answer = sized(unit, account, book=book, limits=limits)

    def broken(n: int) -> set[str]:
        """The limits, written as METHOD section 8 does, that n contracts break."""
        own = loss * (1.0 + limits.reserved_layer_share) if engine == "condor" else loss
        carried = book.weekly_condor_loss if engine == "second" else 0.0
        found = set()
        if n > touch:
            found.add("size_at_touch")
        if account.equity <= 0.0 or (carried + n * own) / account.equity > limits.trade_risk:
            found.add("trade_risk")
        if account.equity <= 0.0 or (book.worst_loss + n * own) / account.equity > limits.book_risk:
            found.add("book_risk")
        claims = account.current_liabilities + book.margin + n * margin
        assets = account.cash + account.marketable_securities + account.receivables
        if claims > 0.0 and assets / claims < limits.quick_ratio:
            found.add("quick_ratio")
        if engine == "second" and (
            book.condor_measure <= 0.0 or (book.layer_measure + n * loss) / book.condor_measure > limits.layer_share
        ):
            found.add("layer_share")
        return found

    if answer.contracts > 0:
        assert not broken(answer.contracts)
    assert answer.binding_limit in broken(answer.contracts + 1)
    for limit in answer.limits:
        if limit.slack is not None and answer.contracts > 0:
            assert limit.slack >= 0.0


@pytest.mark.parametrize(
    ("price", "tick", "side", "limit"),
    [
        (13.74, 0.05, "credit", 13.70),
        (13.75, 0.05, "credit", 13.75),
        (0.15 + 0.15, 0.05, "credit", 0.30),
        (0.31, 0.05, "debit", 0.35),
        (0.1 + 0.2, 0.05, "debit", 0.30),
        (-0.12, 0.05, "credit", -0.15),
        (0.125, 0.01, "credit", 0.12),
    ],
)
def test_a_package_limit_lies_on_the_tick_and_never_asks_for_more(
    price: float, tick: float, side: str, limit: float
) -> None:
    assert package_limit(price, tick=tick, side=side) == pytest.approx(limit, abs=1e-12)
