-- The row `all` is the sum of the personas' rows of its day; a missing target adds nothing to it. Targets are compared
-- to the cent.
{%- set measures = [
    'qualified_leads', 'mtd_leads', 'credited_value_usd', 'mtd_value_usd', 'target_leads', 'target_value_usd'
] %}

with daily as (
    select
        date_day,
        persona,
        qualified_leads,
        mtd_leads,
        credited_value_usd,
        mtd_value_usd,
        cast(target_leads as decimal(18, 2)) as target_leads,
        target_value_usd
    from {{ ref('fct_marketing_sla_daily') }}
),

expected as (
    select * from daily
    where persona <> 'all'
),

found as (
    select * from daily
    where persona = 'all'
),

differing as (
    {{ differences('expected', 'found', ['date_day'], measures) }}
)

select
    {{ sentence(
        "all on {date_day}: the row of fct_marketing_sla_daily has " ~ found_and_expected(measures) ~ " from the rows of the personas. "
        ~ "Add them up again."
    ) }} as problem
from differing
