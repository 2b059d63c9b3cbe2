-- Grain: one row. The instant up to which this run knows the world: `var('as_of')`, else the newest load of any raw
-- table.
-- Everything else asks `as_of()`, which reads this row.

with loads as (
    select * from {{ ref('stg_crm__loads') }}
)

select coalesce({{ as_of_given() }}, max(loads.newest_loaded_at)) as as_of
from loads
