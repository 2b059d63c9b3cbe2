-- Owners, and reps who act, that the CRM never landed as reps are kept by id, without a name, a team or a calendar.

with leads as (
    select * from {{ ref('stg_crm__lead_versions') }}
    where is_current
),

owner_changes as (
    select * from {{ ref('stg_crm__owner_changes') }}
),

activities as (
    select * from {{ ref('stg_crm__activities') }}
),

deals as (
    select * from {{ ref('stg_crm__deals') }}
),

reps as (
    select * from {{ ref('stg_crm__reps') }}
),

named as (
    select
        owner_id as rep_id,
        1 as leads,
        0 as owner_changes,
        0 as activities,
        0 as deals
    from leads
    union all
    select
        owner_id as rep_id,
        0 as leads,
        1 as owner_changes,
        0 as activities,
        0 as deals
    from owner_changes
    union all
    select
        actor_id as rep_id,
        0 as leads,
        0 as owner_changes,
        1 as activities,
        0 as deals
    from activities
    where not is_automated
    union all
    select
        owner_id as rep_id,
        0 as leads,
        0 as owner_changes,
        0 as activities,
        1 as deals
    from deals
),

unknown as (
    select
        named.rep_id,
        sum(named.leads) as leads,
        sum(named.owner_changes) as owner_changes,
        sum(named.activities) as activities,
        sum(named.deals) as deals
    from named
    left join reps
        on named.rep_id = reps.rep_id
    where
        named.rep_id is not null
        and reps.rep_id is null
    group by named.rep_id
)

select
    {{ sentence(
        "rep {rep_id}: {leads} leads, {owner_changes} owner changes, {activities} activities and {deals} deals name it, and raw reps does not "
        ~ "have it. The lists show the id alone: land the rep."
    ) }} as problem
from unknown
