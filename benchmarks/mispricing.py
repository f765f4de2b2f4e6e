"""Time the executable detectors on one session and on 4 and 16 times its slices; cost should grow in proportion.

Run from the checkout: python -m benchmarks.mispricing [chain file]. Without a file the chain of known truth of
benchmarks.session_pricing is taken: 50 slices, 18,000 quotes.
"""

import argparse
from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl

from benchmarks.session_pricing import best_of, read_chain, synthetic_chain
from flows.calendar import trading_calendar
from transforms.mispricing.box import box_curve, box_findings
from transforms.mispricing.locks import executable_findings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.forward import RateCurve

COPIES = (1, 4, 16)
FEE_PER_CONTRACT = 1.0
# Slices of the copies expire this many days apart, further than any chain reaches.
APART = timedelta(days=4_000)


def copied(frame: pl.DataFrame, copies: int) -> pl.DataFrame:
    """Return the frame repeated with its expirations moved, so that every copy has slices of its own."""
    return pl.concat([frame.with_columns(pl.col("expiration") + number * APART) for number in range(copies)])


def main() -> None:
    """Print seconds by number of copies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chain", nargs="?", type=Path)
    path = parser.parse_args().chain
    quotes = read_chain(path) if path else synthetic_chain()
    slices = session_pricing(quotes, calendar=trading_calendar()).slices
    treasury = RateCurve(
        "treasury", slices["time_to_expiry"].to_numpy(), 0.0 * slices["time_to_expiry"].to_numpy() + 0.05
    )
    for copies in COPIES:
        many, facts = copied(quotes, copies), copied(slices, copies)
        locks = partial(executable_findings, many, facts, fee_per_contract=FEE_PER_CONTRACT)
        n_found = locks().findings.height
        print(f"{many.height:,} quotes, {facts.height} slices: locks {best_of(locks)}, {n_found} findings")
        boxes = partial(box_findings, many, box_curve(facts, treasury=treasury), fee_per_contract=FEE_PER_CONTRACT)
        print(f"  boxes {best_of(boxes)}")


if __name__ == "__main__":
    main()
