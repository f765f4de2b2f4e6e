-- why: a feature of a session that core does not hold was computed from the future or from data since withdrawn
with newest as (
    select max(session_date) as session_date
    from (
        select max(session_date) as session_date from core.option_quote
        union all
        select max(session_date) as session_date from core.futures_settlement
        union all
        select max(session_date) as session_date from core.index_level
        union all
        select max(session_date) as session_date from core.market_breadth
    )
),

feature as (
    select 'feature.term_structure' as table_name, session_date from feature.term_structure
    union all
    select 'feature.curve_daily' as table_name, session_date from feature.curve_daily
    union all
    select 'feature.momentum_daily' as table_name, session_date from feature.momentum_daily
    union all
    select 'feature.mean_reversion_daily' as table_name, session_date from feature.mean_reversion_daily
    union all
    select 'feature.vol_of_vol_daily' as table_name, session_date from feature.vol_of_vol_daily
)

select
    feature.table_name,
    feature.session_date,
    count(*) as n_rows,
from feature
cross join newest
where
    newest.session_date is null
    or feature.session_date > newest.session_date
group by
    feature.table_name,
    feature.session_date
