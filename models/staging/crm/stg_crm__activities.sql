-- Grain: one row per activity that exists at `as_of`, in its current version (the latest load).
-- A deleted activity does not exist. One whose current version lies in the future is hidden, and no earlier version
-- comes back.

with {{ readings_of_the_batch('activities', 'activity_id', ['loaded_ids', 'single', 'several']) }}

-- Nearly every activity has one version: only what may be another's is ranked.
repeated as (
    select {{ stand_in('loaded_ids.activity_id') }} as stand_in
    from loaded_ids
    where loaded_ids._loaded_at <= {{ as_of() }}
    group by {{ stand_in('loaded_ids.activity_id') }}
    having count(*) > 1
),

ranked as (
    select
        several.*,
        row_number() over (
            partition by several.activity_id
            order by several._loaded_at desc
        ) as load_rank
    from several
    inner join repeated
        on {{ stand_in('several.activity_id') }} = repeated.stand_in
    where several._loaded_at <= {{ as_of() }}
),

versions as (
    select
        single.*,
        1 as load_rank
    from single
    left join repeated
        on {{ stand_in('single.activity_id') }} = repeated.stand_in
    where
        repeated.stand_in is null
        and single._loaded_at <= {{ as_of() }}
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
