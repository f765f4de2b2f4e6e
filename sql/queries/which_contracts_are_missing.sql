-- grain: one row per monthly VX contract that was listed but has no file on some session, front two ranks only
select
    expiration,
    count(*) as n_sessions,
    min(session_date) as first_session,
    max(session_date) as last_session,
from feature.term_structure
where
    missing_reason = 'missing_contract'
    and rank <= 2
group by expiration
order by expiration
