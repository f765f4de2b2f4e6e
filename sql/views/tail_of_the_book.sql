-- grain: one row per session, horizon and pair of the tail table, for the whole book
select
    session_date,
    horizon,
    vix,
    spx_return,
    value,
from mart.tail_scenario
where subject = 'book' and is_pair
