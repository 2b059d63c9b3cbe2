-- The days of the Marketing SLA hold every qualified lead and every dollar credited, by day and persona, and nothing
-- else. Credits of a persona that the Buyer Matrix does not have belong to no row: warnings/credits_have_a_month.sql
-- reports them.

with personas as (
    select distinct persona from {{ ref('buyer_matrix') }}
),

expected as (
    select
        qualified_date as date_day,
        persona,
        1 as qualified_leads,
        0 as credited_value_usd
    from {{ ref('fct_qualified_leads') }}
    union all
    select
        credits.credited_date as date_day,
        credits.persona,
        0 as qualified_leads,
        credits.value_usd as credited_value_usd
    from {{ ref('fct_marketing_credits') }} as credits
    inner join personas
        on credits.persona = personas.persona
),

found as (
    select
        date_day,
        persona,
        qualified_leads,
        credited_value_usd
    from {{ ref('fct_marketing_sla_daily') }}
    where persona <> 'all'
),

differing as (
    {{ differences('expected', 'found', ['date_day', 'persona'], ['qualified_leads', 'credited_value_usd']) }}
)

select
    {{ sentence(
        "{persona} on {date_day}: fct_marketing_sla_daily has "
        ~ found_and_expected(['qualified_leads', 'credited_value_usd'])
        ~ " from fct_qualified_leads and fct_marketing_credits. Look for a day or a persona that one of them misses."
    ) }} as problem
from differing
