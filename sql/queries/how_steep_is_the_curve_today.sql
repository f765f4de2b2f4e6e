-- grain: one row per monthly VX contract of the newest session with VX data
select
    session_date,
    rank,
    expiration,
    days_to_expiry,
    settle,
    settle / nullif(lag(settle) over (order by rank), 0) - 1 as step_ratio,
    missing_reason,
from feature.term_structure
where session_date = (select max(session_date) from feature.curve_daily)
order by rank
