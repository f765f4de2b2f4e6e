-- why: two settlements of one contract and session make the curve ambiguous
select
    session_date,
    root,
    expiration,
    count(*) as n_rows,
from core.futures_settlement
group by
    session_date,
    root,
    expiration
having count(*) > 1
