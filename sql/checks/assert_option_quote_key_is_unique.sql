-- why: a quote counted twice doubles its weight in every fit, and every later join multiplies
select
    session_date,
    root,
    expiration,
    strike,
    option_type,
    count(*) as n_rows,
from core.option_quote
group by
    session_date,
    root,
    expiration,
    strike,
    option_type
having count(*) > 1
