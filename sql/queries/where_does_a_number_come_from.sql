-- grain: one row per landed file that holds the VX settlements of the session $session
select
    futures.expiration,
    futures.settle,
    futures.settle_source,
    landed.name,
    landed.source,
    landed.received_at,
    landed.sha256,
from core.futures_settlement as futures
join core.landed_file as landed on landed.sha256 = futures.source_sha256
where futures.session_date = cast($session as date)
order by futures.expiration
