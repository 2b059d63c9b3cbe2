-- Grain: one row per lead record that was created by `as_of`, test leads and merged leads included.
-- What lies after `as_of` is not known yet, so dates in the future are null.
-- `lead_number` is the lead as the next models join it: a number, whatever ids the CRM has. Marts have the id again.

with versions as (
    select * from {{ ref('stg_crm__lead_versions') }}
),

deleted_leads as (
    select lead_id from versions
    where is_current and is_deleted
),

versions_of_deleted_leads as (
    select
        versions.lead_id,
        versions.is_deleted,
        versions.updated_at
    from versions
    inner join deleted_leads
        on versions.lead_id = deleted_leads.lead_id
),

last_kept_versions as (
    select
        lead_id,
        max(updated_at) as updated_at
    from versions_of_deleted_leads
    where not is_deleted
    group by lead_id
),

-- A lead is deleted since the first of the unbroken run of deleted versions that ends in the current one.
deletions as (
    select
        versions_of_deleted_leads.lead_id,
        min(versions_of_deleted_leads.updated_at) as deleted_at
    from versions_of_deleted_leads
    left join last_kept_versions
        on versions_of_deleted_leads.lead_id = last_kept_versions.lead_id
    where
        last_kept_versions.updated_at is null
        or versions_of_deleted_leads.updated_at > last_kept_versions.updated_at
    group by versions_of_deleted_leads.lead_id
)

select
    {{ number_of(['versions.lead_id']) }} as lead_number,
    versions.lead_id,
    versions.owner_id as owner_id_of_version,
    versions.lead_source,
    versions.country_code,
    case when versions.merged_at <= {{ as_of() }} then versions.merged_into_lead_id end as merged_into_lead_id,
    versions.is_test,
    versions.created_at,
    case when versions.disqualified_at <= {{ as_of() }} then versions.disqualified_at end as disqualified_at,
    case when versions.opted_out_at <= {{ as_of() }} then versions.opted_out_at end as opted_out_at,
    case when versions.merged_at <= {{ as_of() }} then versions.merged_at end as merged_at,
    deletions.deleted_at
from versions
left join deletions
    on versions.lead_id = deletions.lead_id
where
    versions.is_current
    and versions.created_at <= {{ as_of() }}
