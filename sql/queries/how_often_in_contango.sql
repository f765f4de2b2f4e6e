-- grain: one row per calendar year; sessions without both contracts are counted apart, not as zero
select
    year(session_date) as year,
    count(contango_ratio) as n_sessions,
    count(*) - count(contango_ratio) as n_unknown,
    count(*) filter (where contango_ratio > 0) / nullif(count(contango_ratio), 0) as contango_share,
    median(contango_ratio) as median_contango_ratio,
    count(*) filter (where contango_ratio > 0.08) as n_above_eight_percent,
from feature.curve_daily
group by year(session_date)
order by year
