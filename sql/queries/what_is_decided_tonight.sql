-- grain: one row per decision of the last night
select
    session_date,
    engine,
    decision,
    contracts,
    limit_price,
    expected_cost,
    binding_limit,
    rules,
    reason,
from mart.decision
where session_date = (select max(session_date) from mart.decision)
order by engine, decision
