-- Grain: one row per month of creation, persona at `as_of` and lead source (created_month, persona, lead_source); a
-- null source stays null.
-- Every count is a count of persons (unmerged leads) by the month in which they were created, so it is additive over
-- rows.

with leads as (
    select * from {{ ref('dim_leads') }}
    where not is_merged
)

select
    cast({{ dbt.date_trunc('month', local_date('leads.created_at')) }} as date) as created_month,
    leads.persona,
    leads.lead_source,
    count(*) as leads,
    count(leads.qualified_at) as qualified,
    count(leads.first_touch_at) as touched,
    count(leads.first_contact_at) as contacted,
    count(case when leads.deal_count > 0 then 1 end) as deals,
    count(leads.won_at) as won,
    cast(coalesce(sum(leads.won_value_usd), 0) as decimal(18, 2)) as won_value_usd
from leads
group by 1, 2, 3
