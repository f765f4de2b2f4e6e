-- grain: one row per root and expiration of the newest session with quotes
select
    session_date,
    root,
    expiration,
    count(*) as n_quotes,
    count(*) filter (where bid > 0 and ask is not null) as n_two_sided,
    min(strike) as lowest_strike,
    max(strike) as highest_strike,
    sum(volume) as volume,
    sum(open_interest) as open_interest,
from core.option_quote
where session_date = (select max(session_date) from core.option_quote)
group by
    session_date,
    root,
    expiration
order by
    root,
    expiration
