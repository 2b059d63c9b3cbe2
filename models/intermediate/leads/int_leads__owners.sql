-- Grain: one row per span in which a lead has one owner, or again nobody (lead_id, valid_from). Before the first span
-- nobody owns the lead.
-- `valid_to` is null for the last span. A lead without owner changes is owned by its version's `owner_id` since its
-- creation.

with leads as (
    select * from {{ ref('int_leads__leads') }}
),

owner_changes as (
    select * from {{ ref('stg_crm__owner_changes') }}
),

-- Nobody owns a lead before it exists: earlier changes take effect at its creation, where the last of them wins.
effective_changes as (
    select
        owner_changes.lead_id,
        owner_changes.owner_id,
        greatest(owner_changes.changed_at, leads.created_at) as valid_from,
        row_number() over (
            partition by owner_changes.lead_id, greatest(owner_changes.changed_at, leads.created_at)
            order by owner_changes.changed_at desc
        ) as change_rank
    from owner_changes
    inner join leads
        on owner_changes.lead_id = leads.lead_id
),

leads_with_changes as (
    select distinct lead_id from owner_changes
),

states as (
    select
        effective_changes.lead_id,
        effective_changes.owner_id,
        effective_changes.valid_from
    from effective_changes
    where effective_changes.change_rank = 1
    union all
    select
        leads.lead_id,
        leads.owner_id_of_version as owner_id,
        leads.created_at as valid_from
    from leads
    left join leads_with_changes
        on leads.lead_id = leads_with_changes.lead_id
    where
        leads_with_changes.lead_id is null
        and leads.owner_id_of_version is not null
),

with_previous as (
    select
        states.*,
        lag(states.owner_id) over (partition by states.lead_id order by states.valid_from) as previous_owner_id
    from states
),

changes as (
    select
        lead_id,
        owner_id,
        valid_from
    from with_previous
    where owner_id is distinct from previous_owner_id
)

select
    lead_id,
    owner_id,
    valid_from,
    lead(valid_from) over (partition by lead_id order by valid_from) as valid_to
from changes
