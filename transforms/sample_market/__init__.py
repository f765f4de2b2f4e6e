"""A market whose truth is known: SPX, its options, VIX and VX, written as the vendors write them.

`market.simulate_market` draws the daily state, `market.session_files` and `market.daily_files` turn it into vendor
files, `market.sample_market` does both, and `plants` puts mispricings and data faults where the truth says they are.
"""
