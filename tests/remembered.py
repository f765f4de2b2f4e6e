"""Pure functions with a memory, for tests that call them hundreds of times with the same arguments."""

import hashlib
import io
import pickle
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import polars as pl

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class _ByValue(pickle.Pickler):
    """Writes equal values as equal bytes: the rows of a frame in their order, however they lie in memory."""

    fast = True

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, pl.DataFrame):
            return NotImplemented
        written = io.BytesIO()
        value.write_parquet(written, compression="uncompressed")
        return bytes, (written.getvalue(),)


def remembered(call: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Return the function with its answers remembered by the value of its arguments."""
    answers: dict[str, Answer] = {}

    @wraps(call)
    def asked(*positional: Arguments.args, **named: Arguments.kwargs) -> Answer:
        written = io.BytesIO()
        _ByValue(written).dump((positional, named))
        key = hashlib.sha256(written.getvalue()).hexdigest()
        if key not in answers:
            answers[key] = call(*positional, **named)
        return answers[key]

    return asked
