-- Grain: one row per lead and journey stage that it has reached (lead_id, journey_stage), merged leads included: the
-- first proof.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

proofs as (
    select
        activities.*,
        row_number() over (
            partition by activities.lead_id, activities.journey_stage
            order by activities.occurred_at, activities.activity_id
        ) as proof_rank
    from activities
    where activities.journey_stage is not null
)

select
    lead_id,
    journey_stage,
    activity_id,
    record_lead_id,
    stage_rank,
    occurred_at as reached_at
from proofs
where proof_rank = 1
