-- grain: one row per session, table and check that did not pass
select
    session_date,
    table_name,
    check_name,
    severity,
    outcome,
    n_rows,
    n_failed,
    detail,
from mart.data_quality
where outcome <> 'passed'
order by session_date desc, table_name, check_name
