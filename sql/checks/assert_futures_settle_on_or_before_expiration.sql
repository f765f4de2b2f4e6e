-- why: a settlement after expiration belongs to another contract, so the file or its name is wrong
select
    session_date,
    root,
    expiration,
from core.futures_settlement
where session_date > expiration
