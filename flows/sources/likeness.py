"""What an unrecognized file comes nearest to: the layout whose columns it almost has, and which of them it lacks."""

import re

from flows.sources.delimited import HEADER_WITHIN

# Columns without which a layout is not recognized or not read, as printed, in small letters.
LAYOUT_COLUMNS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (name, frozenset(columns.split(",")))
    for name, columns in (
        ("cboe_quotedata_csv", "expiration date,calls,strike,puts,bid,ask,volume,open interest"),
        ("cboe_quotedata_dat", "expiration date,calls,strike,puts,bid,ask,vol,open int"),
        ("datashop_eod", "underlying_symbol,quote_date,root,expiration,strike,option_type,bid_1545,ask_1545"),
        ("ivolatility_eod", "date,option_symbol,option_expiration,strike,call/put,bid,ask"),
        ("deltaneutral_eod", "quotedate,optionroot,underlying_last,expiration,strike,type,bid,ask"),
        ("yahoo_chain", "contractsymbol,lasttradedate,impliedvolatility,strike,option_type,expiration,bid,ask"),
        ("vx_contract", "trade date,futures,open,high,low,close,settle,total volume,open interest"),
        ("cfe_final_settlement", "symbol,settlementmonth,settlementyear,settlementprice"),
        ("vx_settlement_curve", "expiration_date,symbol,settlement"),
        ("index_history", "date,open,high,low,close"),
        ("index_history", "date,vix open,vix high,vix low,vix close"),
        ("index_history", "date,vvix"),
        ("index_history", "date,skew"),
        ("fred_series", "date,vixcls"),
        ("fred_series", "date,dgs2"),
        ("fred_series", "date,dff"),
        ("fred_series", "observation_date,vixcls"),
        ("fred_series", "observation_date,dgs2"),
        ("fred_series", "observation_date,dff"),
        ("treasury_par_yield", "date,1 mo,2 mo,3 mo,6 mo,1 yr,2 yr,10 yr,30 yr"),
        ("bill_13_week", "date,value"),
        ("nyse_breadth", "date,issues,adv,dec,unch"),
        ("constituent_breadth", "date,nyse_advancers,nyse_decliners"),
        ("fomc_list", "date,meeting_end,kind"),
        ("macro_events", "date,event,ref_period,time_et,source"),
    )
)
# Less than half of a layout's columns is no likeness.
LEAST_SHARE = 0.5
MOST_NAMED = 3
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def likeness(head: str) -> str | None:
    """Return a sentence on the layout that the beginning of a file comes nearest to; None if it is like none."""
    lines = re.split(r"\r\n|\r|\n", head)[:HEADER_WITHIN]
    found = [
        (len(columns & names) / len(columns), name, sorted(columns - names), separator)
        for line in lines
        for separator in SEPARATORS
        if (names := _names(line, separator))
        for name, columns in LAYOUT_COLUMNS
    ]
    best = max((share for share, *_ in found), default=0.0)
    if best < LEAST_SHARE:
        return None
    near = [(name, lacking, separator) for share, name, lacking, separator in found if share == best]
    separator = near[0][2]
    if separator != ",":
        return (
            f"its columns are those of {near[0][0]}, separated by {SEPARATORS[separator]}; "
            "save it separated by commas, with decimal points"
        )
    if best == 1.0:
        return f"its columns are those of {near[0][0]}, of which it lacks the data lines, or none of them can be read"
    variants: dict[str, set[str]] = {}
    for name, lacking, _ in near:
        variants.setdefault(name, set()).add(", ".join(lacking))
    told = [f"{name}, of which it lacks {' or '.join(sorted(lacking))}" for name, lacking in sorted(variants.items())]
    return f"it looks like {'; or '.join(told[:MOST_NAMED])}"


def _names(line: str, separator: str) -> set[str]:
    return {" ".join(name.strip(' "').split()).lower() for name in line.split(separator)} - {""}
