"""The definitions of tables, by schema; transforms/schemas.py gathers them."""
