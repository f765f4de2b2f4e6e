-- why: a series quoted after its expiration is a leftover of an earlier chain, and its time to expiry is negative
select
    session_date,
    root,
    expiration,
    strike,
    option_type,
from core.option_quote
where expiration < session_date
