-- Grain: one row per lead and journey stage that it reached (lead_id, journey_stage). Merged leads are counted in their
-- survivors.

with stages as (
    select * from {{ ref('int_qualification__stages') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
)

select
    leads.lead_id,
    stages.journey_stage,
    stages.activity_id,
    stages.reached_at
from stages
inner join leads
    on stages.lead_number = leads.lead_number
where not leads.is_merged
