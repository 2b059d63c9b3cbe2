-- One row per day of the month so far and persona (`all` first): actual, ideal line, target, forecast.
-- The marts forecast leads; dollars are forecast here by the same formula: month to date + mean of the trailing 28 full days
-- x days left, null below 14 full days of history.
with recent as (
    select persona, avg(credited_value_usd) as usd_a_day
    from marts.fct_marketing_sla_daily
    where date_day < $as_of_date and date_day >= $as_of_date - 28
    group by persona
    having count(*) >= 14
)

select
    daily.date_day,
    daily.persona,
    daily.pace,
    daily.qualified_leads,
    daily.credited_value_usd,
    daily.mtd_leads,
    daily.ideal_mtd_leads,
    daily.target_leads,
    daily.forecast_leads,
    daily.forecast_leads_low,
    daily.forecast_leads_high,
    daily.mtd_value_usd,
    daily.ideal_mtd_value_usd,
    daily.target_value_usd,
    daily.mtd_value_usd + recent.usd_a_day * $days_left as forecast_value_usd
from marts.fct_marketing_sla_daily as daily
left join recent on daily.persona = recent.persona
where daily.date_day >= date_trunc('month', $as_of_date) and daily.date_day <= $as_of_date
order by
    daily.persona <> 'all',
    max(daily.target_value_usd) over (partition by daily.persona) desc nulls last,
    daily.persona,
    daily.date_day
