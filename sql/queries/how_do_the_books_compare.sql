-- grain: one row per book of the last replay and rebuilt index, an index as 100,000 dollars held in it
with daily as (
    select
        session_date,
        book,
        pnl,
        pnl as excess,
    from mart.replay_daily
    where variant = 'default' and pnl is not null
    union all
    select
        session_date,
        benchmark as book,
        100000 * return_daily as pnl,
        100000 * excess_return_daily as excess,
    from mart.benchmark_daily
    where return_daily is not null
),

running as (
    select
        session_date,
        book,
        pnl,
        excess,
        sum(pnl) over (partition by book order by session_date) as equity,
    from daily
),

drawn as (
    select
        session_date,
        book,
        pnl,
        excess,
        equity,
        equity - greatest(0, max(equity) over (partition by book order by session_date)) as drawdown,
    from running
),

measured as (
    select
        book,
        min(session_date) as first_session,
        max(session_date) as last_session,
        count(*) as n,
        sum(pnl) as pnl,
        avg(pnl) as pnl_mean,
        min(pnl) as worst_session,
        min(drawdown) as worst_drawdown,
        -- A book's P&L has no interest on its margin, an index's has: what a bill earned is taken off.
        if(count(excess) < 20, null, sqrt(252) * avg(excess) / nullif(stddev_samp(excess), 0)) as sharpe_ratio,
    from drawn
    group by book
),

lacking as (
    select
        benchmark as book,
        count(*) filter (where level is null) as n_without_level,
        arg_max(missing, session_date) filter (where level is null) as missing,
    from mart.benchmark_daily
    group by benchmark
),

books as (
    select book from measured
    union
    select book from lacking
)

select
    books.book,
    measured.first_session,
    measured.last_session,
    coalesce(measured.n, 0) as n,
    measured.pnl,
    measured.pnl_mean,
    measured.worst_session,
    measured.worst_drawdown,
    measured.sharpe_ratio,
    lacking.n_without_level,
    lacking.missing,
from books
left join measured on books.book = measured.book
left join lacking on books.book = lacking.book
order by list_position(['condor', 'second', 'both', 'cndr', 'vxth'], books.book)
