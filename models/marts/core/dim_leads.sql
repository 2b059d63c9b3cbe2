-- Grain: one row per lead (lead_id), merged and deleted leads included, test leads not. No personal data: that stays in
-- staging.
-- A survivor shows the person's values, a merged lead those of its own history until the merge; so persons are counted
-- where `is_merged` is false.

with leads as (
    select * from {{ ref('int_leads__leads') }}
),

personas as (
    select * from {{ ref('int_leads__personas') }}
    where valid_to is null
),

owners as (
    select * from {{ ref('int_leads__owners') }}
    where valid_to is null
),

stages as (
    select * from {{ ref('int_qualification__stages') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

qualified as (
    select * from {{ ref('int_qualification__qualified') }}
),

activities as (
    select * from {{ ref('int_leads__activities') }}
),

deals as (
    select * from {{ ref('int_leads__deals') }}
),

cancellations as (
    select * from {{ ref('int_leads__cancellations') }}
),

highest_ranks as (
    select
        stages.lead_number,
        max(stages.stage_rank) as stage_rank
    from stages
    group by stages.lead_number
),

highest_stages as (
    select
        highest_ranks.lead_number,
        journey_stages.journey_stage
    from highest_ranks
    inner join journey_stages
        on highest_ranks.stage_rank = journey_stages.stage_rank
),

first_activities as (
    select
        activities.lead_number,
        min(case when activities.is_conversion then activities.occurred_at end) as first_conversion_at,
        min(case when activities.is_touch then activities.occurred_at end) as first_touch_at,
        min(case when activities.is_contact then activities.occurred_at end) as first_contact_at
    from activities
    group by activities.lead_number
),

-- What is won after a lead was merged is won on the survivor.
sales as (
    select
        deals.lead_number,
        count(*) as deal_count,
        min(case when leads.merged_at is null or deals.won_at < leads.merged_at then deals.won_at end) as won_at,
        sum(
            case
                when deals.won_at is not null and (leads.merged_at is null or deals.won_at < leads.merged_at)
                    then deals.amount_usd
            end
        ) as won_value_usd
    from deals
    inner join leads
        on deals.lead_number = leads.lead_number
    group by deals.lead_number
)

select
    leads.lead_id,
    personas.persona,
    highest_stages.journey_stage,
    owners.owner_id,
    leads.lead_source,
    cancellations.cancel_reason,
    qualified.lead_number is not null as is_qualified,
    leads.is_merged,
    cast(coalesce(sales.deal_count, 0) as bigint) as deal_count,
    cast(sales.won_value_usd as decimal(18, 2)) as won_value_usd,
    leads.created_at,
    qualified.qualified_at,
    first_activities.first_conversion_at,
    first_activities.first_touch_at,
    first_activities.first_contact_at,
    sales.won_at,
    cancellations.cancelled_at
from leads
left join personas
    on leads.lead_number = personas.lead_number
left join highest_stages
    on leads.lead_number = highest_stages.lead_number
left join owners
    on leads.lead_number = owners.lead_number
left join qualified
    on leads.lead_number = qualified.lead_number
left join first_activities
    on leads.lead_number = first_activities.lead_number
left join sales
    on leads.lead_number = sales.lead_number
left join cancellations
    on leads.lead_number = cancellations.lead_number
