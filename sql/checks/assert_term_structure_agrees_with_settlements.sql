-- why: the curve is read from term_structure and the trades are marked on core; the two must be one price
select
    curve.session_date,
    curve.rank,
    curve.expiration,
    curve.settle,
    future.settle as core_settle,
from feature.term_structure as curve
left join core.futures_settlement as future
    on
        future.session_date = curve.session_date
        and future.expiration = curve.expiration
        and future.root = 'VX'
where curve.settle is distinct from future.settle
