-- grain: one row per engine and filter of the last night
select
    session_date,
    engine,
    step,
    filter,
    n_in,
    n_out,
from mart.candidate_funnel
where session_date = (select max(session_date) from mart.candidate_funnel)
order by engine, step
