-- why: rank decides which contract is VX1 and VX2; out of order, every curve figure is of the wrong month
with ordered as (
    select
        session_date,
        rank,
        expiration,
        lag(expiration) over (partition by session_date order by rank) as expiration_before,
        lag(rank) over (partition by session_date order by rank) as rank_before,
    from feature.term_structure
)

select
    session_date,
    rank,
    expiration,
from ordered
where
    expiration <= expiration_before
    or expiration < session_date
    or rank <> coalesce(rank_before, 0) + 1
