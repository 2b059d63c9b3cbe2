-- Grain: one row per salesperson, in the current version (the latest load visible at `as_of`).

with raw_reps as (
    select * from {{ source('crm', 'reps') }}
),

versions as (
    select
        raw_reps.*,
        row_number() over (
            partition by raw_reps.rep_id
            order by raw_reps._loaded_at desc
        ) as load_rank
    from raw_reps
    where raw_reps._loaded_at <= {{ as_of() }}
)

select
    rep_id,
    full_name,
    email,
    team,
    manager_id,
    calendar_id,
    personas,
    active_from,
    active_to,
    _loaded_at as loaded_at
from versions
where load_rank = 1
