-- Question: which sources bring leads that win?
-- Grain: one row per lead source; a missing one is `(none logged)`. Whole months of creation that ended at least 60
-- days before `as_of`: younger leads have not had the time to be won.
-- How to read: `win_rate` lies between `win_rate_low` and `win_rate_high` with 95 % confidence (Wilson). Where the
-- intervals of two sources overlap, their order may be luck. `won_usd_per_lead` says what a lead is worth in the end,
-- `credited_usd_per_lead` what Marketing was credited for it: a source that is credited far above what it wins is paid
-- for leads that do not buy.
-- Caveats: persons, counted in the month in which they were created. One large deal moves `won_usd_per_lead`. Costs of
-- the channels are not in the warehouse, so this ranks what comes back, not what pays.
{%- set maturity_days = 60 %}
{%- set newest_day = dbt.dateadd('day', -maturity_days, local_date('run_metadata.as_of')) %}

with run_metadata as (
    select * from {{ ref('run_metadata') }}
),

funnel as (
    select * from {{ ref('fct_funnel_monthly') }}
),

leads as (
    select * from {{ ref('dim_leads') }}
    where not is_merged
),

credits as (
    select * from {{ ref('fct_marketing_credits') }}
),

-- The first month that is too young.
young as (
    select
        cast({{ dbt.date_trunc('month', newest_day) }} as date) as first_month
    from run_metadata
),

mature as (
    select
        coalesce(funnel.lead_source, '(none logged)') as lead_source,
        cast(sum(funnel.leads) as bigint) as leads,
        cast(sum(funnel.qualified) as bigint) as qualified,
        cast(sum(funnel.won) as bigint) as won,
        sum(funnel.won_value_usd) as won_value_usd
    from funnel
    inner join young
        on funnel.created_month < young.first_month
    group by 1
),

credited as (
    select
        coalesce(leads.lead_source, '(none logged)') as lead_source,
        sum(credits.value_usd) as credited_value_usd
    from credits
    inner join leads
        on credits.lead_id = leads.lead_id
    inner join young
        on {{ local_date('leads.created_at') }} < young.first_month
    group by 1
),

-- The Wilson score interval: unlike the usual one it stays between 0 and 1, also where few or none were won.
rated as (
    select
        mature.*,
        mature.won / cast(mature.leads as {{ type_double() }}) as win_rate,
        (mature.won + 1.96 * 1.96 / 2) / (mature.leads + 1.96 * 1.96) as middle,
        1.96 / (mature.leads + 1.96 * 1.96) * sqrt(
            mature.won * (mature.leads - mature.won) / cast(mature.leads as {{ type_double() }}) + 1.96 * 1.96 / 4
        ) as half_width
    from mature
)

select
    rated.lead_source,
    rated.leads,
    rated.qualified,
    rated.won,
    rated.win_rate,
    rated.middle - rated.half_width as win_rate_low,
    rated.middle + rated.half_width as win_rate_high,
    rated.won_value_usd,
    cast(rated.won_value_usd as {{ type_double() }}) / rated.leads as won_usd_per_lead,
    coalesce(cast(credited.credited_value_usd as {{ type_double() }}), 0) / rated.leads as credited_usd_per_lead
from rated
left join credited
    on rated.lead_source = credited.lead_source
order by rated.win_rate desc, rated.lead_source asc
