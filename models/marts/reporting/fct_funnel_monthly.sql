-- Grain: one row per month of creation, persona at `as_of` and lead source (created_month, persona, lead_source); a
-- null source stays null.
-- Every count is a count of persons (unmerged leads) by the month in which they were created, so it is additive over
-- rows.

with leads as (
    select * from {{ ref('dim_leads') }}
    where not is_merged
),

activities as (
    select * from {{ ref('int_leads__activities') }}
),

lead_deals as (
    select * from {{ ref('int_leads__deals') }}
),

contacts as (
    select distinct lead_id from activities
    where is_contact
),

deals as (
    select
        lead_deals.lead_id,
        sum(case when lead_deals.won_at is not null then lead_deals.amount_usd end) as won_value_usd
    from lead_deals
    group by lead_deals.lead_id
)

select
    cast({{ dbt.date_trunc('month', local_date('leads.created_at')) }} as date) as created_month,
    leads.persona,
    leads.lead_source,
    count(*) as leads,
    count(leads.qualified_at) as qualified,
    count(leads.first_touch_at) as touched,
    count(contacts.lead_id) as contacted,
    count(deals.lead_id) as deals,
    count(leads.won_at) as won,
    cast(coalesce(sum(deals.won_value_usd), 0) as decimal(18, 2)) as won_value_usd
from leads
left join contacts
    on leads.lead_id = contacts.lead_id
left join deals
    on leads.lead_id = deals.lead_id
group by 1, 2, 3
