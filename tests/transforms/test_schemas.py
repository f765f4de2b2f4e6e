"""The tables DESIGN.md promises, with the keys and columns that others rely on."""

import pytest

from transforms.schemas import BY_NAME, OPTION_ROOTS, SNAPSHOT_KINDS, TABLES, partition_of

# Typed from DESIGN.md: table, key, and the columns it must have besides.
PROMISED = {
    "core.landed_file": ("sha256", "source received_at name first_session last_session n_rows outcome"),
    "core.option_quote": (
        "session_date root expiration strike option_type",
        "quote_ts snapshot_kind settlement_style bid ask bid_size ask_size last volume open_interest spot"
        " source_sha256",
    ),
    "feature.term_structure": ("session_date rank", "expiration days_to_expiry settle"),
    "feature.curve_daily": (
        "session_date",
        "vx1 vx2 contango_ratio basis_ratio constant_maturity_30d constant_maturity_60d days_to_roll front_index"
        " front_index_gap held_expiration vix missing_reason",
    ),
    "feature.momentum_daily": ("session_date series", "line signal histogram rsi state sessions_since_cross"),
    "feature.mean_reversion_daily": ("session_date series", "half_life low_95 high_95"),
    "quarantine.rejected_row": (
        "session_date table_name source_sha256 source_row_number rule",
        "reason row_json",
    ),
    "mart.signal_daily": (
        "session_date",
        "data_status missing_inputs settings_sha256 code_version inputs_sha256",
    ),
    "mart.data_quality": ("session_date table_name check_name", "severity outcome n_rows n_failed detail"),
    "mart.journal": ("entry_id", "session_date refers_to evidence prices note"),
    "mart.run": ("run_id", "session_date started_at finished_at outcome"),
}


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_table_has_its_key_and_columns(name: str) -> None:
    key, columns = PROMISED[name]
    table = BY_NAME[name]
    assert list(table.key) == key.split()
    assert set(columns.split()) <= set(table.column_names) - set(table.key)


def test_roots_and_kinds_are_the_ones_of_the_method() -> None:
    assert OPTION_ROOTS == ("SPX", "SPXW", "VIX", "VIXW")
    assert SNAPSHOT_KINDS == ("close", "eod_1545", "intraday", "non_regular")


def test_tables_by_name_are_all_tables() -> None:
    assert list(BY_NAME.values()) == list(TABLES)
    assert {partition_of(table) for table in TABLES} == {"session", "year", "none"}


def test_only_a_table_with_a_session_is_cut_by_it() -> None:
    for table in TABLES:
        assert (partition_of(table) == "none") == (table.session_column is None or table.partition == "none")
        if partition_of(table) != "none":
            assert table.session_column in table.column_names
