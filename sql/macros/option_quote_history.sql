-- grain: one row per option and session, all sessions ever published; published: the path of the published folder
create or replace macro option_quote_history(published) as table
select
    session_date,
    root,
    expiration,
    strike,
    option_type,
    quote_ts,
    snapshot_kind,
    settlement_style,
    bid,
    ask,
    bid_size,
    ask_size,
    last,
    volume,
    open_interest,
    spot,
    source_sha256
from read_parquet(published || '/snapshots/core.option_quote/*/part-0.parquet', hive_partitioning = false)
