"""What the columns of the vendors' layouts mean to a mutation: days, numbers, quotes, and what they promise."""

from dataclasses import dataclass, field, replace

from tests.reliability.sheets import Sheet

# Layouts that list days to come.
SCHEDULES = frozenset({"macro_events", "fomc_list"})


@dataclass(frozen=True)
class Facts:
    """What a layout's columns mean to a mutation.

    Attributes
    ----------
    day, day_form
        Column with the session of a line, and how it is printed; none where the whole file is of one session.
    numbers
        Columns without whose number a line cannot be a row.
    ranged
        Column to the rule that a huge and a negative value break.
    pairs
        (bid, ask) columns.
    needed
        Columns that must not be blank.
    """

    day: str | None = None
    day_form: str = "%Y-%m-%d"
    numbers: tuple[str, ...] = ()
    ranged: dict[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    needed: tuple[str, ...] = ()
    symbol: str | None = None
    expiration: str | None = None
    expiration_form: str = "%Y-%m-%d"


QUOTE_RULES = {"bid": "bid_out_of_range", "ask": "ask_out_of_range"}
SIDES = {**QUOTE_RULES, "bid.2": "bid_out_of_range", "ask.2": "ask_out_of_range"}
QUOTEDATA = Facts(
    numbers=("bid", "ask", "bid.2", "ask.2", "open interest", "strike"),
    ranged=SIDES,
    pairs=(("bid", "ask"), ("bid.2", "ask.2")),
    needed=("calls", "puts", "strike", "expiration date"),
    symbol="calls",
    expiration="expiration date",
    expiration_form="%a %b %d %Y",
)
LEVELS = {"settle": "settle_out_of_range"}
FACTS: dict[str, Facts] = {
    "cboe_quotedata_csv": QUOTEDATA,
    "cboe_quotedata_dat": replace(
        QUOTEDATA, numbers=("bid", "ask", "bid.2", "ask.2", "open int", "strike"), expiration_form="%m/%d/%Y"
    ),
    "cboe_delayed_json": Facts(
        numbers=("bid", "ask", "open_interest", "volume"), ranged=QUOTE_RULES, pairs=(("bid", "ask"),),
        needed=("option",), symbol="option",
    ),
    "datashop_eod": Facts(
        day="quote_date",
        numbers=("bid_1545", "ask_1545", "strike", "open_interest"),
        ranged={"bid_1545": "bid_out_of_range", "ask_1545": "ask_out_of_range"},
        pairs=(("bid_1545", "ask_1545"), ("bid_eod", "ask_eod")),
        needed=("quote_date", "root", "expiration", "strike", "option_type"),
        expiration="expiration",
    ),
    "ivolatility_eod": Facts(
        day="date", day_form="%m/%d/%Y",
        numbers=("bid", "ask", "volume", "strike"), ranged=QUOTE_RULES, pairs=(("bid", "ask"),),
        needed=("date", "option_symbol", "option_expiration", "strike"), symbol="option_symbol",
        expiration="option_expiration", expiration_form="%m/%d/%Y",
    ),
    "deltaneutral_eod": Facts(
        day="quotedate",
        numbers=("bid", "ask", "volume", "strike"), ranged=QUOTE_RULES, pairs=(("bid", "ask"),),
        needed=("quotedate", "optionroot", "expiration", "strike"), symbol="optionroot", expiration="expiration",
    ),
    "yahoo_chain": Facts(
        numbers=("bid", "ask", "volume", "strike"), ranged=QUOTE_RULES, pairs=(("bid", "ask"),),
        needed=("contractsymbol", "strike", "expiration"), symbol="contractsymbol", expiration="expiration",
    ),
    "vx_contract_current": Facts(
        day="trade date", numbers=("open", "close", "settle", "total volume"), ranged=LEVELS,
        needed=("trade date", "futures"),
    ),
    "vx_contract_legacy": Facts(
        day="trade date", day_form="%m/%d/%Y", numbers=("open", "close", "settle", "total volume"), ranged=LEVELS,
        needed=("trade date", "futures"),
    ),
    "cfe_final_settlement": Facts(
        numbers=("settlementprice",), ranged={"settlementprice": "value_out_of_range"},
        needed=("settlementmonth", "settlementyear", "settlementprice"),
    ),
    "vx_settlement_curve": Facts(
        numbers=("settlement",), ranged={"settlement": "settle_out_of_range"},
        needed=("expiration_date", "symbol", "settlement"), expiration="expiration_date",
    ),
    "index_history": Facts(day="date", day_form="%m/%d/%Y", numbers=("close",), ranged={"close": "close_out_of_range"}),
    "fred_series": Facts(day="date"),
    "treasury_par_yield": Facts(
        day="date", day_form="%m/%d/%Y", numbers=("1 mo", "2 yr", "30 yr"),
        ranged={"3 mo": "par_yield_out_of_range", "10 yr": "par_yield_out_of_range"}, needed=("date",),
    ),
    "bill_13_week": Facts(
        day="date", numbers=("value",), ranged={"value": "par_yield_out_of_range"}, needed=("date", "value")
    ),
    "nyse_breadth": Facts(
        day="date", numbers=("issues", "adv", "dec", "unch"), ranged={"adv": "advances_out_of_range"},
        needed=("date", "issues", "adv", "dec", "unch"),
    ),
    "constituent_breadth": Facts(
        day="date", numbers=("nyse_advancers", "nyse_decliners"), ranged={"nyse_advancers": "advances_out_of_range"},
        needed=("date", "nyse_advancers", "nyse_decliners"),
    ),
    "macro_events": Facts(day="date", needed=("date",)),
    "fomc_list": Facts(day="date", needed=("date", "kind")),
}  # fmt: skip


def facts_of(sheet: Sheet) -> Facts:
    """Return what the columns of this very sheet mean: variants of a layout differ."""
    facts = FACTS[sheet.layout]
    if sheet.layout == "datashop_eod" and sheet.kind == "without close":
        return replace(facts, pairs=(("bid_1545", "ask_1545"),), day_form="%m/%d/%Y", expiration_form="%m/%d/%Y")
    if sheet.layout == "index_history":
        close = next(name for name in sheet.names if name.split()[-1] == "close" or name in ("vvix", "skew"))
        return replace(facts, numbers=(close,), ranged={close: "close_out_of_range"}, needed=("date", close))
    if sheet.layout == "fred_series":
        day, value = sheet.names
        rule = "close_out_of_range" if value == "vixcls" else "par_yield_out_of_range"
        return replace(facts, day=day, numbers=(value,), ranged={value: rule}, needed=(day, value))
    return facts
