-- Grain: one row per activity that exists at `as_of`, in its current version (the latest load).
-- A deleted activity does not exist. One whose current version lies in the future is hidden, and no earlier version
-- comes back.

with raw_activities as (
    select * from {{ source('crm', 'activities') }}
),

versions as (
    select
        raw_activities.*,
        row_number() over (
            partition by raw_activities.activity_id
            order by raw_activities._loaded_at desc
        ) as load_rank
    from raw_activities
    where raw_activities._loaded_at <= {{ as_of() }}
)

select
    activity_id,
    lead_id,
    activity_type,
    actor_id,
    outcome,
    asset,
    coalesce(is_automated, false) as is_automated,
    occurred_at,
    _loaded_at as loaded_at
from versions
where
    load_rank = 1
    and not coalesce(is_deleted, false)
    and occurred_at <= {{ as_of() }}
