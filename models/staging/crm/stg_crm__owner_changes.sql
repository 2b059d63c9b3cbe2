-- Grain: one row per visible change of a lead's owner (lead_id, changed_at); of two changes at one instant the later
-- load wins.

with raw_owner_changes as (
    {{ rows_of_the_batch('owner_changes') }}
),

-- Of the loads of one change the last counts: the one that another change, or nothing, follows.
loads as (
    select
        raw_owner_changes.*,
        lead(raw_owner_changes.changed_at) over (
            partition by raw_owner_changes.lead_id
            order by raw_owner_changes.changed_at, raw_owner_changes._loaded_at
        ) as next_changed_at
    from raw_owner_changes
    where
        raw_owner_changes._loaded_at <= {{ as_of() }}
        and raw_owner_changes.changed_at <= {{ as_of() }}
)

select
    lead_id,
    owner_id,
    changed_at,
    _loaded_at as loaded_at
from loads
where next_changed_at is distinct from changed_at
