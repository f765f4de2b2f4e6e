-- grain: one row per finding of the newest night that holds at bid and ask without an assumption, dearest first
select
    session_date,
    finding_id,
    kind,
    root,
    expiration,
    edge_points,
    edge_dollars,
    edge_in_half_spreads,
    capacity_contracts,
    confidence,
    from_flagged_quotes,
    first_seen,
    sessions_open,
    note,
from mart.mispricing
where
    confidence = 'executable'
    and session_date = (select max(session_date) from mart.signal_daily)
order by
    edge_dollars desc nulls last,
    finding_id
