-- grain: one row per position open at the end of the last night
select
    daily.session_date,
    daily.position_id,
    daily.book,
    daily.engine,
    opened.structure,
    opened.expiration,
    opened.contracts,
    daily.pnl_total,
    daily.profit_share,
    daily.zone,
    daily.delta,
    daily.vega,
    daily.theta,
    daily.max_loss,
    daily.margin,
from mart.position_daily as daily
inner join mart.position as opened using (position_id)
where daily.is_open and daily.session_date = (select max(session_date) from mart.position_daily)
order by daily.engine, opened.expiration
