-- One row per month of creation, persona and source: the last 13 months, the newest first.
select
    created_month,
    persona,
    lead_source,
    leads,
    qualified,
    touched,
    contacted,
    deals,
    won,
    won_value_usd,
    qualified / leads as qualified_rate,
    won / leads as won_rate
from marts.fct_funnel_monthly
where created_month <= $as_of_date and created_month >= cast(date_trunc('month', $as_of_date) as date) - interval 12 month
order by created_month desc, persona, leads desc, lead_source
