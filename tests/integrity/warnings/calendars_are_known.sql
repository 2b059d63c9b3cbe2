-- A rep's calendar that the agreement does not know is the default one.

with reps as (
    select * from {{ ref('stg_crm__reps') }}
),

business_calendars as (
    select distinct calendar_id from {{ ref('business_calendars') }}
),

unknown as (
    select
        reps.calendar_id,
        count(*) as rep_count,
        {{ examples('reps.rep_id') }} as some_reps
    from reps
    left join business_calendars
        on reps.calendar_id = business_calendars.calendar_id
    where
        reps.calendar_id is not null
        and business_calendars.calendar_id is null
    group by reps.calendar_id
)

select
    {{ sentence(
        "calendar '{calendar_id}' is that of reps ({rep_count}, such as {some_reps}), and the seed business_calendars does not have it. "
        ~ "Their hours are those of the default calendar: add it there, or correct the reps."
    ) }} as problem
from unknown
