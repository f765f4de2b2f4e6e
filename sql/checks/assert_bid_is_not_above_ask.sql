-- why: a crossed quote is a data error here, and every mispricing built on it would be false
select
    session_date,
    root,
    expiration,
    strike,
    option_type,
    bid,
    ask,
from core.option_quote
where
    bid > ask
    and ask > 0
