"""What this process keeps of memory it has freed: by default glibc keeps much, in an arena for every few threads."""

import ctypes
from functools import cache

# mallopt's parameter for the number of arenas (malloc.h).
M_ARENA_MAX = -8


@cache
def share_one_arena() -> bool:
    """Let all threads of this process allocate from one arena; return whether the C library can.

    Every connection of DuckDB starts threads, which take arenas in turn; what they free stays resident in each. Many
    nights in one process grew by tens of MiB a thousand, though what was in use stayed the same.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, 1))


def give_back() -> bool:
    """Give the pages that the C library holds free back to the system; return whether the C library can.

    A night reads its whole history, which leaves holes; a process that runs one every evening would keep them.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
