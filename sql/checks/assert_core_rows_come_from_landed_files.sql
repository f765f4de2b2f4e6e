-- why: a row without its landed file cannot be traced, verified or rebuilt
with used as (
    select 'core.option_quote' as table_name, source_sha256 from core.option_quote
    union all
    select 'core.futures_settlement' as table_name, source_sha256 from core.futures_settlement
    union all
    select 'core.index_level' as table_name, source_sha256 from core.index_level
    union all
    select 'core.market_breadth' as table_name, source_sha256 from core.market_breadth
    union all
    select 'core.treasury_rate' as table_name, source_sha256 from core.treasury_rate
    union all
    select 'core.economic_event' as table_name, source_sha256 from core.economic_event
    union all
    select 'core.settlement_value' as table_name, source_sha256 from core.settlement_value
    union all
    select 'core.account_state' as table_name, source_sha256 from core.account_state
    union all
    select 'core.held_position' as table_name, source_sha256 from core.held_position
)

select
    used.table_name,
    used.source_sha256,
    count(*) as n_rows,
from used
anti join core.landed_file as landed on landed.sha256 = used.source_sha256
group by
    used.table_name,
    used.source_sha256
