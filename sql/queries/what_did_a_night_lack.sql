-- grain: one row per published night that was degraded
select
    session_date,
    missing_inputs,
    missing_reason,
from mart.signal_daily
where data_status = 'degraded'
order by session_date desc
