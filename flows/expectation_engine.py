"""Great Expectations as the engine that judges a frame: imported when needed, quiet, and holding on to nothing.

It takes seconds and a quarter of a gigabyte to import, so it is imported inside functions; `warm_up` does so ahead of
need.
"""

import atexit
import gc
import os
import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite

# The engine keeps its current context in a global; two suites at once would share batches.
_ENGINE = threading.Lock()


@cache
def warm_up() -> None:
    """Import Great Expectations, with its telemetry off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations.expectations  # noqa: F401

    # A third of a million objects that stay as long as the process: the collector need not go through them again, but
    # at the end, when modules see to it that nothing of theirs is left.
    gc.freeze()
    atexit.register(gc.unfreeze)


@cache
def expectation_class(name: str) -> Any:
    """Return an expectation of the engine that describes itself once.

    The engine asks every expectation for its configuration over a hundred times and makes it anew each time, which is
    a third of what a suite costs. It finds classes by their names, so this one has a name of its own.
    """
    import great_expectations.expectations as gxe
    from great_expectations.compatibility import pydantic

    base = getattr(gxe, name)

    def configuration(self: Any) -> Any:
        if self._configuration is None:
            self._configuration = base.configuration.fget(self)
        return self._configuration

    parts = {"__module__": __name__, "_configuration": pydantic.PrivateAttr(None)}
    return type(base)(f"Settled{name}", (base,), {**parts, "configuration": property(configuration)})


def verdicts(expectations: Sequence[Any], handed: pl.DataFrame) -> Sequence[Any]:
    """Return the engine's result for each expectation about the columns of a frame."""
    warm_up()
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # Without sites for its web pages the context touches no folder.
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    suite = gx.ExpectationSuite(name="rows", expectations=list(expectations))
    with _ENGINE:
        return _validated(suite, handed, config)


def _validated(suite: "ExpectationSuite", handed: pl.DataFrame, config: Any) -> Sequence[Any]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral", project_config=config)
    source = context.data_sources.add_pandas("rows")
    whole = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("rows")
    batch = whole.get_batch(batch_parameters={"dataframe": handed.to_pandas()})
    # COMPLETE lists every failing position; values, which it cuts at 200, are read from the frame, so that
    # their tally is not wanted either.
    validated = batch.validate(
        suite,
        result_format={
            "result_format": "COMPLETE",
            "return_unexpected_index_query": False,
            "partial_unexpected_count": 0,
        },
    )
    # The context outlives this call in a global; without its data source it does not hold on to the rows.
    context.data_sources.delete("rows")
    return list(validated.results)


def raised_message(info: dict[str, Any] | None) -> str | None:
    """Return the message of an exception raised inside an expectation; `success` alone does not show it.

    The engine reports one flat record where nothing was raised and one record per metric where something was.
    """
    if not info:
        return None
    records = [info] if "raised_exception" in info else list(info.values())
    raised = [str(record.get("exception_message")) for record in records if record.get("raised_exception")]
    return "; ".join(raised) or None
