-- One row per month and persona (and `all`) of the last 13 months: how the month ended; the newest is that of
-- `as_of`.
select
    cast(date_trunc('month', date_day) as date) as month_start_date,
    persona,
    arg_max(mtd_leads, date_day) as leads,
    max(target_leads) as target_leads,
    arg_max(mtd_value_usd, date_day) as value_usd,
    max(target_value_usd) as target_value_usd,
    arg_max(pace, date_day) as pace
from marts.fct_marketing_sla_daily
where
    date_day <= $as_of_date
    and date_day >= cast(date_trunc('month', $as_of_date) as date) - interval 12 month
group by month_start_date, persona
order by persona, month_start_date
