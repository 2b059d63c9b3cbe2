-- What dim_leads says of an unmerged lead is what its own facts say: when it qualified, its highest stage, its first
-- touch; and, where this run has rebuilt it, its first contact and its deals.

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

activities as (
    select * from {{ ref('int_leads__activities') }}
),

deals as (
    select * from {{ ref('int_leads__deals') }}
),

run_leads as (
    select * from {{ ref('int_leads__leads') }}
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

first_contacts as (
    select
        run_leads.lead_id,
        min(activities.occurred_at) as first_contact_at
    from activities
    inner join run_leads
        on activities.lead_number = run_leads.lead_number
    where activities.is_contact
    group by run_leads.lead_id
),

sales as (
    select
        run_leads.lead_id,
        count(*) as deal_count,
        min(deals.won_at) as won_at,
        sum(case when deals.won_at is not null then deals.amount_usd end) as won_value_usd
    from deals
    inner join run_leads
        on deals.lead_number = run_leads.lead_number
    group by run_leads.lead_id
),

compared as (
    select
        leads.lead_id,
        leads.qualified_at,
        leads.first_touch_at,
        leads.journey_stage,
        leads.first_contact_at,
        leads.deal_count,
        leads.won_at,
        leads.won_value_usd,
        qualified_leads.qualified_at as fact_qualified_at,
        first_touches.first_touch_at as fact_first_touch_at,
        journey_stages.journey_stage as fact_journey_stage,
        first_contacts.first_contact_at as fact_first_contact_at,
        coalesce(sales.deal_count, 0) as fact_deal_count,
        sales.won_at as fact_won_at,
        sales.won_value_usd as fact_won_value_usd,
        {{ is_of_this_run('leads.lead_id') }} as is_of_this_run
    from leads
    left join qualified_leads
        on leads.lead_id = qualified_leads.lead_id
    left join first_touches
        on leads.lead_id = first_touches.lead_id
    left join highest_ranks
        on leads.lead_id = highest_ranks.lead_id
    left join journey_stages
        on highest_ranks.stage_rank = journey_stages.stage_rank
    left join first_contacts
        on leads.lead_id = first_contacts.lead_id
    left join sales
        on leads.lead_id = sales.lead_id
)

select
    {{ sentence(
        "lead {lead_id}: dim_leads has qualified_at {qualified_at}, journey_stage {journey_stage} and first_touch_at {first_touch_at}, "
        ~ "its facts have {fact_qualified_at}, {fact_journey_stage} and {fact_first_touch_at}; first_contact_at {first_contact_at}, "
        ~ "{deal_count} deals, won_at {won_at} for {won_value_usd} USD, where its activities and deals have {fact_first_contact_at}, "
        ~ "{fact_deal_count}, {fact_won_at} and {fact_won_value_usd}. Look for the activity or the deal that one of them misses."
    ) }} as problem
from compared
where
    qualified_at is distinct from fact_qualified_at
    or first_touch_at is distinct from fact_first_touch_at
    or journey_stage is distinct from fact_journey_stage
    or (
        is_of_this_run
        and (
            first_contact_at is distinct from fact_first_contact_at
            or deal_count <> fact_deal_count
            or won_at is distinct from fact_won_at
            or won_value_usd is distinct from fact_won_value_usd
        )
    )
