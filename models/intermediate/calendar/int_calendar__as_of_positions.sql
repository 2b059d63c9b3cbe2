-- Grain: one row per calendar (calendar_id): how far its business clock has run at `as_of`, in microseconds.

with calendars as (
    select distinct
        business_calendars.calendar_id,
        {{ as_of() }} as as_of_at
    from {{ ref('business_calendars') }} as business_calendars
),

spans as (
    select * from {{ ref('int_calendar__spans') }}
),

positions as (
    {{ with_business_position('calendars', 'as_of_at', 'as_of_position') }}
)

select
    calendar_id,
    as_of_position
from positions
