"""What a process that runs flows leaves on the terminal: no trace of an error the command tells, no report at exit."""

import atexit
import logging
import sys

from transforms.errors import AlvhError

EXIT_SECONDS = 10.0


class _ToldByTheCommand(logging.Filter):
    """Drop the trace of an error whose message the command prints itself; the server's log keeps it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], AlvhError))


def tell_errors_once() -> None:
    """Keep the traces of our own errors off the console; called after Prefect has set up its handlers."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ToldByTheCommand())


@atexit.register
def end_event_loops() -> None:
    """Stop the event loops that Prefect runs on daemon threads, and wait for them.

    A thread that is still alive when the interpreter ends keeps its frames, and with them our modules and every object
    of DuckDB they name: DuckDB's bindings then report them as leaked. Prefect offers no public way to stop its loops.
    Handlers registered later run earlier, and Prefect registers those that need its loops when a flow runs.
    """
    threads = sys.modules.get("prefect._internal.concurrency.threads")
    for loop in (threads._run_sync_loop, threads._global_loop) if threads else ():
        if loop is not None:
            loop.shutdown()
            loop.thread.join(EXIT_SECONDS)
