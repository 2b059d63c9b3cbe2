-- The credits of a lead sum to the value of its best activity: nothing is credited twice, and nothing that exceeds the
-- credit is forgotten.

with valued_activities as (
    select * from {{ ref('int_marketing_sla__valued_activities') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
),

expected as (
    select
        leads.lead_id,
        max(valued_activities.value_usd) as value_usd
    from valued_activities
    inner join leads
        on valued_activities.lead_number = leads.lead_number
    group by leads.lead_id
),

found as (
    select
        lead_id,
        value_usd
    from {{ ref('fct_marketing_credits') }}
    where {{ is_of_this_run('lead_id') }}
),

differing as (
    {{ differences('expected', 'found', ['lead_id'], ['value_usd']) }}
)

select
    {{ sentence(
        "lead {lead_id}: its credits in fct_marketing_credits sum to {found_value_usd} USD, its best activity is worth {expected_value_usd}. "
        ~ "Look at its rows in int_marketing_sla__valued_activities."
    ) }} as problem
from differing
