-- Grain: one row per activity that exists at `as_of`, in its current version (the latest load).
-- A deleted activity does not exist. One whose current version lies in the future is hidden, and no earlier version
-- comes back.

with raw_activities as (
    {{ rows_of_the_batch('activities', id='activity_id') }}
),

visible as (
    select raw_activities.*
    from raw_activities
    where raw_activities._loaded_at <= {{ as_of() }}
),

-- Nearly every activity has one version: only the others are ranked.
repeated as (
    select activity_id
    from visible
    group by activity_id
    having count(*) > 1
),

ranked as (
    select
        visible.*,
        row_number() over (
            partition by visible.activity_id
            order by visible._loaded_at desc
        ) as load_rank
    from visible
    inner join repeated
        on visible.activity_id = repeated.activity_id
),

versions as (
    select
        visible.*,
        1 as load_rank
    from visible
    left join repeated
        on visible.activity_id = repeated.activity_id
    where repeated.activity_id is null
    union all
    select ranked.* from ranked
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
    and {{ is_in_the_batch('lead_id') }}
