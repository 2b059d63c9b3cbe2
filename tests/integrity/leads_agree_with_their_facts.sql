-- What dim_leads says of an unmerged lead is what its own facts say: when it qualified, its highest stage, its first
-- touch.

with leads as (
    select * from {{ ref('dim_leads') }}
    where not is_merged
),

qualified_leads as (
    select * from {{ ref('fct_qualified_leads') }}
),

touches as (
    select * from {{ ref('fct_sales_touches') }}
),

stages as (
    select * from {{ ref('fct_lead_stages') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

first_touches as (
    select
        touches.lead_id,
        min(touches.occurred_at) as first_touch_at
    from touches
    group by touches.lead_id
),

highest_ranks as (
    select
        stages.lead_id,
        max(journey_stages.stage_rank) as stage_rank
    from stages
    inner join journey_stages
        on stages.journey_stage = journey_stages.journey_stage
    group by stages.lead_id
),

compared as (
    select
        leads.lead_id,
        leads.qualified_at,
        leads.first_touch_at,
        leads.journey_stage,
        qualified_leads.qualified_at as fact_qualified_at,
        first_touches.first_touch_at as fact_first_touch_at,
        journey_stages.journey_stage as fact_journey_stage
    from leads
    left join qualified_leads
        on leads.lead_id = qualified_leads.lead_id
    left join first_touches
        on leads.lead_id = first_touches.lead_id
    left join highest_ranks
        on leads.lead_id = highest_ranks.lead_id
    left join journey_stages
        on highest_ranks.stage_rank = journey_stages.stage_rank
)

select
    {{ sentence(
        "lead {lead_id}: dim_leads has qualified_at {qualified_at}, journey_stage {journey_stage} and first_touch_at {first_touch_at}, "
        ~ "its facts have {fact_qualified_at}, {fact_journey_stage} and {fact_first_touch_at}. Look for the activity that one of them misses."
    ) }} as problem
from compared
where
    qualified_at is distinct from fact_qualified_at
    or first_touch_at is distinct from fact_first_touch_at
    or journey_stage is distinct from fact_journey_stage
