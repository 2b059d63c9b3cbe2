-- Grain: one row per visible version of a lead (lead_id, updated_at); `is_first` and `is_current` mark the first and
-- the last one.
-- A version is visible when it was loaded, and began, at or before `as_of`; of two versions with one `updated_at` the
-- later load replaces the earlier, so that exact duplicates count once, too.

with raw_leads as (
    {{ rows_of_the_batch('leads') }}
),

-- Of the loads with one `updated_at` the last is the version: the one that another `updated_at`, or nothing, follows.
loads as (
    select
        raw_leads.*,
        lead(raw_leads.updated_at) over (
            partition by raw_leads.lead_id
            order by raw_leads.updated_at, raw_leads._loaded_at
        ) as next_updated_at,
        first_value(raw_leads.updated_at) over (
            partition by raw_leads.lead_id
            order by raw_leads.updated_at, raw_leads._loaded_at
        ) as first_updated_at
    from raw_leads
    where
        raw_leads._loaded_at <= {{ as_of() }}
        and raw_leads.updated_at <= {{ as_of() }}
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
    updated_at = first_updated_at as is_first,
    next_updated_at is null as is_current,
    coalesce(is_test, false) as is_test,
    coalesce(is_deleted, false) as is_deleted,
    created_at,
    updated_at,
    disqualified_at,
    opted_out_at,
    merged_at,
    _loaded_at as loaded_at
from loads
where next_updated_at is distinct from updated_at
