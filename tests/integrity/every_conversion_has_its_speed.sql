-- Every unmerged lead that converted has a row in fct_speed_to_lead, also if nobody ever touched it, and no other lead
-- has.

with expected as (
    select
        lead_id,
        first_conversion_at,
        1 as leads
    from {{ ref('dim_leads') }}
    where
        not is_merged
        and first_conversion_at is not null
),

found as (
    select
        lead_id,
        first_conversion_at,
        1 as leads
    from {{ ref('fct_speed_to_lead') }}
),

differing as (
    {{ differences('expected', 'found', ['lead_id', 'first_conversion_at'], ['leads']) }}
)

select
    {{ sentence(
        "lead {lead_id}, first converted at {first_conversion_at}: fct_speed_to_lead has {found_leads} such rows where "
        ~ "{expected_leads} is expected from dim_leads. Look for the activity that one of them misses."
    ) }} as problem
from differing
