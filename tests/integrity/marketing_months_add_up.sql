-- The month to date is the sum of the month's days so far: at the month's end, all that Marketing earned in it.

with daily as (
    select * from {{ ref('fct_marketing_sla_daily') }}
),

summed as (
    select
        daily.*,
        sum(daily.qualified_leads) over (
            partition by daily.persona, {{ dbt.date_trunc('month', 'daily.date_day') }}
            order by daily.date_day
            rows between unbounded preceding and current row
        ) as sum_of_leads,
        sum(daily.credited_value_usd) over (
            partition by daily.persona, {{ dbt.date_trunc('month', 'daily.date_day') }}
            order by daily.date_day
            rows between unbounded preceding and current row
        ) as sum_of_value_usd
    from daily
)

select
    {{ sentence(
        "{persona} on {date_day}: the month to date is {mtd_leads} leads and {mtd_value_usd} USD, its days so far sum to {sum_of_leads} "
        ~ "and {sum_of_value_usd}. Look at the month's rows of fct_marketing_sla_daily."
    ) }} as problem
from summed
where
    mtd_leads <> sum_of_leads
    or mtd_value_usd <> sum_of_value_usd
