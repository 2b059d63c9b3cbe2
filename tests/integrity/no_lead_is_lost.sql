-- Every lead that the raw table shows at `as_of` is in dim_leads, merged or not, and no other: test leads and leads of
-- the future are not.

with raw_leads as (
    select * from {{ source('crm', 'leads') }}
),

versions as (
    select
        raw_leads.lead_id,
        raw_leads.is_test,
        raw_leads.created_at,
        row_number() over (
            partition by raw_leads.lead_id
            order by raw_leads.updated_at desc, raw_leads._loaded_at desc
        ) as version_rank
    from raw_leads
    where
        raw_leads._loaded_at <= {{ as_of() }}
        and raw_leads.updated_at <= {{ as_of() }}
),

expected as (
    select
        lead_id,
        1 as leads
    from versions
    where
        version_rank = 1
        and not coalesce(is_test, false)
        and created_at <= {{ as_of() }}
),

found as (
    select
        lead_id,
        1 as leads
    from {{ ref('dim_leads') }}
),

differing as (
    {{ differences('expected', 'found', ['lead_id'], ['leads']) }}
)

select
    {{ sentence(
        "lead {lead_id}: dim_leads has {found_leads} rows of it where {expected_leads} is expected from the raw table. "
        ~ "Compare its current version with stg_crm__lead_versions and int_leads__leads."
    ) }} as problem
from differing
