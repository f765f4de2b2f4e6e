-- grain: one row per run, newest first
select
    started_at,
    command,
    session_date,
    outcome,
    date_diff('second', started_at, finished_at) as seconds_taken,
    peak_memory_mb,
    seconds,
    detail,
from mart.run
order by started_at desc
limit 20
