-- Grain: one row per lead and journey stage that it has reached (lead_number, journey_stage), merged leads included:
-- the first proof.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

proofs as (
    select
        activities.*,
        row_number() over (
            partition by activities.lead_number, activities.stage_rank
            order by activities.occurred_at, activities.activity_id
        ) as proof_rank
    from activities
    where activities.stage_rank is not null
)

select
    proofs.lead_number,
    journey_stages.journey_stage,
    proofs.activity_id,
    proofs.record_lead_number,
    proofs.stage_rank,
    proofs.occurred_at as reached_at
from proofs
inner join journey_stages
    on proofs.stage_rank = journey_stages.stage_rank
where proofs.proof_rank = 1
