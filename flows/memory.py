"""What this process keeps of memory it has freed: by default glibc keeps much, in an arena for every few threads."""

import ctypes
import os
from functools import cache

# mallopt's parameters: the number of arenas, and from what size on a block is mapped by itself (malloc.h).
M_ARENA_MAX = -8
M_MMAP_THRESHOLD = -3
MAPPED_FROM = 256 << 10


@cache
def share_one_arena() -> bool:
    """Let all threads of this process allocate from one arena; return whether the C library can.

    Every connection of DuckDB starts threads, which take arenas in turn; what they free stays resident in each. Many
    nights in one process grew by tens of MiB a thousand, though what was in use stayed the same.
    """
    return _mallopt(M_ARENA_MAX, 1)


@cache
def map_large_blocks() -> bool:
    """Let large blocks be mapped by themselves, and given back when they are freed; return whether the C library can.

    Left alone, glibc takes them from the heap once some have been freed, and the columns of a history that is longer
    every night leave holes of every size there. Pricing takes a tenth longer, so it is for the process that runs
    nights, not for the workers of a backfill.
    """
    return _mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)


def share_the_heap_with_arrow() -> None:
    """Let Arrow allocate from the C library as well, unless the environment names a pool: before pyarrow is imported.

    DuckDB's rows pass through it on their way to Polars; the pool it brings holds ten MiB for the two of each moment.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def _mallopt(parameter: int, value: int) -> bool:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(parameter, value))


def give_back() -> bool:
    """Give the pages that the C library holds free back to the system; return whether the C library can.

    A night reads its whole history, which leaves holes; a process that runs one every evening would keep them.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
