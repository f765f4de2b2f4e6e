-- grain: one row per rule of the last night
select
    session_date,
    rule,
    measured,
    comparison,
    threshold,
    distance,
    outcome,
    flip,
    reason,
from mart.rule_evaluation
where session_date = (select max(session_date) from mart.rule_evaluation)
order by rule
