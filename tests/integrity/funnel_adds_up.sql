-- The funnel holds every unmerged lead once, by persona and lead source, with what its facts say of it: both ways, and
-- an empty lead source as well.
{%- set measures = ['leads', 'qualified', 'touched', 'contacted', 'deals', 'won', 'won_value_usd'] %}

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

counted as (
    select
        lead_id,
        1 as leads,
        0 as qualified,
        0 as touched,
        case when first_contact_at is not null then 1 else 0 end as contacted,
        case when deal_count > 0 then 1 else 0 end as deals,
        case when won_at is not null then 1 else 0 end as won,
        coalesce(won_value_usd, 0) as won_value_usd
    from leads
    union all
    select
        qualified_leads.lead_id,
        0 as leads,
        1 as qualified,
        0 as touched,
        0 as contacted,
        0 as deals,
        0 as won,
        0 as won_value_usd
    from qualified_leads
    union all
    select
        touches.lead_id,
        0 as leads,
        0 as qualified,
        1 as touched,
        0 as contacted,
        0 as deals,
        0 as won,
        0 as won_value_usd
    from touches
    where touches.touch_number = 1
),

expected as (
    select
        leads.persona,
        leads.lead_source,
        counted.leads,
        counted.qualified,
        counted.touched,
        counted.contacted,
        counted.deals,
        counted.won,
        counted.won_value_usd
    from counted
    inner join leads
        on counted.lead_id = leads.lead_id
),

found as (
    select
        persona,
        lead_source,
        leads,
        qualified,
        touched,
        contacted,
        deals,
        won,
        won_value_usd
    from {{ ref('fct_funnel_monthly') }}
),

differing as (
    {{ differences('expected', 'found', ['persona', 'lead_source'], measures) }}
)

select
    {{ sentence(
        "{persona} from {lead_source}: fct_funnel_monthly has " ~ found_and_expected(measures)
        ~ " from dim_leads and the facts. Look for the join that drops or doubles leads."
    ) }} as problem
from differing
