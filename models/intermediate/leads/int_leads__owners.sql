-- Grain: one row per span in which a lead has one owner, or again nobody (lead_number, valid_from). Before the first
-- span nobody owns the lead.
-- `valid_to` is null for the last span. A lead without owner changes is owned by its version's `owner_id` since its
-- creation.

with leads as (
    select * from {{ ref('int_leads__leads') }}
),

owner_changes as (
    select * from {{ ref('stg_crm__owner_changes') }}
),

-- Nobody owns a lead before it exists: earlier changes take effect at its creation.
effective_changes as (
    select
        leads.lead_number,
        owner_changes.owner_id,
        owner_changes.changed_at,
        greatest(owner_changes.changed_at, leads.created_at) as valid_from
    from owner_changes
    inner join leads
        on owner_changes.lead_id = leads.lead_id
),

followed_changes as (
    select
        effective_changes.*,
        lead(effective_changes.valid_from) over (
            partition by effective_changes.lead_number
            order by effective_changes.changed_at
        ) as next_valid_from
    from effective_changes
),

-- Of changes that take effect at one instant the last wins: the one that another instant, or nothing, follows.
with_previous as (
    select
        followed_changes.lead_number,
        followed_changes.owner_id,
        followed_changes.valid_from,
        lag(followed_changes.owner_id) over (
            partition by followed_changes.lead_number
            order by followed_changes.valid_from
        ) as previous_owner_id
    from followed_changes
    where followed_changes.next_valid_from is distinct from followed_changes.valid_from
),

changes as (
    select
        lead_number,
        owner_id,
        valid_from
    from with_previous
    where owner_id is distinct from previous_owner_id
),

leads_with_changes as (
    select distinct effective_changes.lead_number from effective_changes
)

select
    changes.lead_number,
    changes.owner_id,
    changes.valid_from,
    lead(changes.valid_from) over (partition by changes.lead_number order by changes.valid_from) as valid_to
from changes
union all
select
    leads.lead_number,
    leads.owner_id_of_version as owner_id,
    leads.created_at as valid_from,
    cast(null as timestamp) as valid_to
from leads
left join leads_with_changes
    on leads.lead_number = leads_with_changes.lead_number
where
    leads_with_changes.lead_number is null
    and leads.owner_id_of_version is not null
