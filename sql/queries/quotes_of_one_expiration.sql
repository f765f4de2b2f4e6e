-- grain: one row per strike of the newest chain of $root and $expiration, calls and puts side by side
with chain as (
    select
        session_date,
        strike,
        option_type,
        bid,
        ask,
    from core.option_quote
    where
        root = $root
        and expiration = cast($expiration as date)
        and session_date = (
            select max(session_date)
            from core.option_quote
            where
                root = $root
                and expiration = cast($expiration as date)
        )
)

select
    session_date,
    strike,
    max(bid) filter (where option_type = 'call') as call_bid,
    max(ask) filter (where option_type = 'call') as call_ask,
    max(bid) filter (where option_type = 'put') as put_bid,
    max(ask) filter (where option_type = 'put') as put_ask,
from chain
group by
    session_date,
    strike
order by strike
