-- Without a single row in the raw tables, and without `var('as_of')`, there is no instant of which the marts could be
-- true.

select
    {{ sentence(
        "stg_crm__clock has {count(*)} rows, {count(as_of)} of them with an as_of: no raw table has a row, so that nothing tells the time. "
        ~ "Land the raw tables, or give var as_of."
    ) }} as problem
from {{ ref('stg_crm__clock') }}
having
    count(*) <> 1
    or count(as_of) <> 1
