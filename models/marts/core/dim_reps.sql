-- Grain: one row per salesperson (rep_id), as of the newest load.

with reps as (
    select * from {{ ref('stg_crm__reps') }}
)

select
    rep_id,
    full_name,
    team,
    manager_id,
    calendar_id,
    personas,
    active_from,
    active_to
from reps
