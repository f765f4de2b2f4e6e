"""Everything that touches the world: files, databases, the network, Prefect, the terminal."""

from flows.memory import share_one_arena, share_the_heap_with_arrow

# Here, because glibc counts the arenas once, when a second thread first allocates: DuckDB and Polars come after.
share_one_arena()
share_the_heap_with_arrow()
