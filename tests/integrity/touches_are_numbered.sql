-- The touches of a lead are numbered 1, 2, 3 in the order of time, without a gap and without a repetition.

with touches as (
    select * from {{ ref('fct_sales_touches') }}
),

numbered as (
    select
        touches.*,
        lag(touches.touch_number, 1, 0) over (
            partition by touches.lead_id
            order by touches.occurred_at, touches.activity_id
        ) as previous_number
    from touches
)

select
    {{ sentence(
        "touch {activity_id} of lead {lead_id}: its touch_number is {touch_number}, that of the one before {previous_number}. "
        ~ "Number them without a gap, by time and activity_id."
    ) }} as problem
from numbered
where touch_number <> previous_number + 1
