-- Grain: one row per lead and deal of its history (lead_number, deal_id): its own deals and those of the leads merged
-- into it.
-- `won_effective_at` is when the win reaches this lead: at once on the record that the deal is on, for a later survivor
-- not before all merges up to it have happened.

with deals as (
    select * from {{ ref('stg_crm__deals') }}
),

holders as (
    select * from {{ ref('int_leads__holders') }}
)

select
    holders.lead_number,
    deals.deal_id,
    deals.amount_usd,
    deals.created_at,
    deals.won_at,
    case
        when deals.won_at < holders.held_from then holders.held_from
        else deals.won_at
    end as won_effective_at
from deals
inner join holders
    on deals.lead_id = holders.record_lead_id
