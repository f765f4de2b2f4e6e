-- why: readers take the row of a session as the night's headline; with two they would get either
select
    session_date,
    count(*) as n_rows,
from mart.signal_daily
group by session_date
having count(*) > 1
