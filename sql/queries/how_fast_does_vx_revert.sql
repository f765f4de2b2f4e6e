-- grain: one row per series and calendar year, median half-life in sessions
select
    series,
    year(session_date) as year,
    median(half_life) as median_half_life_sessions,
    count(half_life) as n_sessions,
from feature.mean_reversion_daily
group by
    series,
    year(session_date)
having count(half_life) > 0
order by
    series,
    year
