-- grain: one row per finding of the newest night that has been open for more than one session
select
    session_date,
    finding_id,
    kind,
    root,
    expiration,
    edge_points,
    edge_dollars,
    confidence,
    z_score,
    first_seen,
    sessions_open,
from mart.mispricing
where
    sessions_open > 1
    and session_date = (select max(session_date) from mart.signal_daily)
order by
    sessions_open desc,
    finding_id
