-- Grain: one row per visible version of a lead (lead_id, updated_at); `is_current` marks the last one.
-- A version is visible when it was loaded, and began, at or before `as_of`; of two versions with one `updated_at` the
-- later load replaces the earlier, so that exact duplicates count once, too.

with raw_leads as (
    select * from {{ source('crm', 'leads') }}
),

visible as (
    select
        raw_leads.*,
        row_number() over (
            partition by raw_leads.lead_id, raw_leads.updated_at
            order by raw_leads._loaded_at desc
        ) as load_rank
    from raw_leads
    where
        raw_leads._loaded_at <= {{ as_of() }}
        and raw_leads.updated_at <= {{ as_of() }}
),

versions as (
    select
        visible.*,
        row_number() over (partition by visible.lead_id order by visible.updated_at) as version_number,
        row_number() over (partition by visible.lead_id order by visible.updated_at desc) as versions_to_go
    from visible
    where visible.load_rank = 1
)

select
    lead_id,
    merged_into_lead_id,
    owner_id,
    lead_source,
    country_code,
    company_name,
    email,
    disqualified_reason,
    employee_count,
    version_number,
    versions_to_go = 1 as is_current,
    coalesce(is_test, false) as is_test,
    coalesce(is_deleted, false) as is_deleted,
    created_at,
    updated_at,
    disqualified_at,
    opted_out_at,
    merged_at,
    _loaded_at as loaded_at
from versions
