-- grain: one row per leg of the newest night's findings, findings by size of the edge in half-spreads
select
    finding.session_date,
    finding.kind,
    finding.confidence,
    finding.edge_points,
    finding.edge_in_half_spreads,
    finding.edge_dollars,
    finding.z_score,
    leg.leg,
    leg.side,
    leg.quantity,
    leg.root,
    leg.expiration,
    leg.strike,
    leg.option_type,
    leg.price,
from mart.mispricing as finding
join mart.mispricing_leg as leg
    on
        leg.session_date = finding.session_date
        and leg.finding_id = finding.finding_id
where finding.session_date = (select max(session_date) from mart.signal_daily)
order by
    finding.edge_in_half_spreads desc nulls last,
    finding.finding_id,
    leg.leg
