-- grain: one row per claim and variant of the last replay
select
    as_of,
    claim,
    variant,
    statement,
    measure,
    n,
    estimate,
    low_95,
    high_95,
    verdict,
    detail,
from mart.claim_evidence
order by variant <> 'default', variant, claim
