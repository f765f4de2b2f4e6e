-- why: two closes of one index and session make percentiles and returns ambiguous
select
    session_date,
    symbol,
    count(*) as n_rows,
from core.index_level
group by
    session_date,
    symbol
having count(*) > 1
