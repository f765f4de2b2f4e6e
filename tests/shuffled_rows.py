"""Joins, groups and distinct rows in an order nobody chose, as Polars may give them where no order is asked for."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pytest


@contextmanager
def shuffled_rows(seed: int) -> Iterator[None]:
    """Shuffle what every join, grouping and `unique` gives that does not ask to keep an order."""
    random_seed = random.Random(seed)

    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1.0, shuffle=True, seed=random_seed.randrange(2**31)) if frame.height else frame

    join, unique, group_by = pl.LazyFrame.join, pl.LazyFrame.unique, pl.LazyFrame.group_by

    def any_order_join(own: pl.LazyFrame, *arguments: Any, **options: Any) -> pl.LazyFrame:
        joined = join(own, *arguments, **options)
        keeps = options.get("maintain_order", "none") != "none" or options.get("how") in ("semi", "anti")
        return joined if keeps else joined.map_batches(shuffled)

    def any_order_unique(own: pl.LazyFrame, *arguments: Any, **options: Any) -> pl.LazyFrame:
        distinct = unique(own, *arguments, **options)
        return distinct if options.get("maintain_order") else distinct.map_batches(shuffled)

    def any_order_groups(own: pl.LazyFrame, *by: Any, maintain_order: bool = False, **named: Any) -> Any:
        groups = group_by(own, *by, maintain_order=maintain_order, **named)
        if not maintain_order:
            aggregate = groups.agg
            groups.agg = lambda *a, **k: aggregate(*a, **k).map_batches(shuffled)  # type: ignore[method-assign]
        return groups

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl.LazyFrame, "join", any_order_join)
        patch.setattr(pl.LazyFrame, "unique", any_order_unique)
        patch.setattr(pl.LazyFrame, "group_by", any_order_groups)
        yield
