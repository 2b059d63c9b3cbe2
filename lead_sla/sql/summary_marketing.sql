-- One row per persona, and `all` at the end: the month to date at the last day.
select
    persona,
    mtd_leads,
    ideal_mtd_leads,
    target_leads,
    mtd_value_usd,
    ideal_mtd_value_usd,
    target_value_usd,
    pace
from marts.fct_marketing_sla_daily
where date_day = $as_of_date
order by persona = 'all', target_value_usd, persona
