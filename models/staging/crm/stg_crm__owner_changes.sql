-- Grain: one row per visible change of a lead's owner (lead_id, changed_at); of two changes at one instant the later
-- load wins.

with raw_owner_changes as (
    {{ rows_of_the_batch('owner_changes') }}
),

versions as (
    select
        raw_owner_changes.*,
        row_number() over (
            partition by raw_owner_changes.lead_id, raw_owner_changes.changed_at
            order by raw_owner_changes._loaded_at desc
        ) as load_rank
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
from versions
where load_rank = 1
