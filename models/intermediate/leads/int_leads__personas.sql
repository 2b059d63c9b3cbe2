-- Grain: one row per span of a lead's life in which its persona stays the same (lead_number, valid_from).
-- `valid_from` is null for the first span, which also holds before the first version; `valid_to` is null for the last.

with leads as (
    select * from {{ ref('int_leads__leads') }}
),

versions as (
    select * from {{ ref('stg_crm__lead_versions') }}
),

personas as (
    select * from {{ ref('personas') }}
),

version_begins as (
    select
        leads.lead_number,
        versions.is_first,
        versions.is_first and versions.is_current as is_only,
        versions.employee_count,
        versions.updated_at,
        case
            when versions.is_first then {{ local_date('leads.created_at') }}
            else {{ local_date('versions.updated_at') }}
        end as begin_date
    from versions
    inner join leads
        on versions.lead_id = leads.lead_id
),

version_personas as (
    select
        version_begins.lead_number,
        version_begins.is_first,
        version_begins.is_only,
        version_begins.updated_at,
        coalesce(personas.persona, 'unknown') as persona
    from version_begins
    left join personas
        on
            version_begins.employee_count >= coalesce(personas.min_employees, version_begins.employee_count)
            and version_begins.employee_count <= coalesce(personas.max_employees, version_begins.employee_count)
            and {{ in_force('personas', 'version_begins.begin_date') }}
),

-- Most leads have one version: only the others are put in order.
with_previous as (
    select
        version_personas.*,
        lag(version_personas.persona) over (
            partition by version_personas.lead_number
            order by version_personas.updated_at
        ) as previous_persona
    from version_personas
    where not version_personas.is_only
),

changes as (
    select
        lead_number,
        persona,
        updated_at,
        case when not is_first then updated_at end as valid_from
    from with_previous
    where previous_persona is null or previous_persona <> persona
)

select
    lead_number,
    persona,
    valid_from,
    lead(valid_from) over (partition by lead_number order by updated_at) as valid_to
from changes
union all
select
    lead_number,
    persona,
    cast(null as timestamp) as valid_from,
    cast(null as timestamp) as valid_to
from version_personas
where is_only
