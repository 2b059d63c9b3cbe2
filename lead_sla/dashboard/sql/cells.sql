-- One row per persona and highest stage at `as_of`, persons counted once: merged leads are their survivors. No stage
-- is empty.
select
    persona,
    coalesce(journey_stage, '') as journey_stage,
    count(*) as leads,
    count(*) filter (where is_qualified) as qualified_leads,
    count(*) filter (where won_at is not null) as won_leads,
    count(*) filter (where cancelled_at is null) as active_leads
from marts.dim_leads
where not is_merged
group by persona, journey_stage
order by persona, journey_stage
