"""The glance at all slices of a session against the exact search and a linear program, slice by slice."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tests.transforms.mispricing.noisy_slices import START, seeded_slice
from transforms.mispricing.linear_program import best_static_income
from transforms.mispricing.locks import slice_quotes
from transforms.mispricing.static import SliceQuotes, static_check
from transforms.mispricing.witness import is_sound
from transforms.pricing.slice_grid import SliceGrid, slice_grid

FIRST = date(2024, 1, 19)
FEES = (0.0, 0.05)


def grid_of(slices: list[SliceQuotes]) -> SliceGrid:
    """One session of these slices, each an expiration."""
    frames = []
    for number, quotes in enumerate(slices):
        for side, bid, ask in (
            ("call", quotes.call_bid, quotes.call_ask),
            ("put", quotes.put_bid, quotes.put_ask),
        ):
            shown = np.where(np.isfinite(ask), ask, np.nan)
            rows = {"strike": quotes.strike, "bid": bid, "ask": shown}
            frames.append(
                pl.DataFrame(rows).with_columns(
                    pl.col("ask").fill_nan(None),
                    root=pl.lit("SPX"),
                    expiration=pl.lit(FIRST + timedelta(days=number)),
                    option_type=pl.lit(side),
                )
            )
    return slice_grid(pl.concat(frames))


@pytest.mark.parametrize("fee_points", FEES)
def test_what_is_called_sound_holds_no_lock_and_little_else_is_left_to_the_search(fee_points: float) -> None:
    slices = [seeded_slice(seed) for seed in range(240)]
    grid = grid_of(slices)
    sound = is_sound(grid, fee_points=fee_points)
    free = []
    for row in range(grid.n_slices):
        quotes = slice_quotes(grid, row).after_fees(fee_points)
        income = best_static_income(quotes)
        free.append(income <= 1e-6)
        if sound[row]:
            assert income <= 1e-6, row
            assert static_check(quotes, **START).lock is None
    assert 60 <= sum(free) <= 230
    assert sound.sum() >= 0.8 * sum(free)


def test_a_slice_is_judged_alike_alone_and_among_others() -> None:
    slices = [seeded_slice(seed) for seed in range(60)]
    together = is_sound(grid_of(slices), fee_points=0.05)
    alone = [bool(is_sound(grid_of([quotes]), fee_points=0.05)[0]) for quotes in slices]
    assert together.tolist() == alone


def test_nothing_is_said_without_offers_and_of_no_slice_at_all() -> None:
    quotes = seeded_slice(0)
    none = np.full_like(quotes.call_ask, np.inf)
    bids_alone = SliceQuotes(quotes.strike, quotes.call_bid, none, quotes.put_bid, none)
    assert not is_sound(grid_of([bids_alone]), fee_points=0.0).any()
    assert is_sound(grid_of([quotes]), fee_points=0.05).shape == (1,)
    empty = pl.DataFrame(
        schema={
            "root": pl.String(), "expiration": pl.Date(), "strike": pl.Float64(), "option_type": pl.String(),
            "bid": pl.Float64(), "ask": pl.Float64(),
        }
    )  # fmt: skip
    assert is_sound(slice_grid(empty), fee_points=0.05).shape == (0,)
