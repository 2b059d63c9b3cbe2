-- Grain: one row per rep (rep_id): the calendar that the rep's business hours follow; an unknown one, or none, is the
-- default calendar.

with reps as (
    select * from {{ ref('stg_crm__reps') }}
),

calendars as (
    select distinct calendar_id from {{ ref('business_calendars') }}
)

select
    reps.rep_id,
    coalesce(calendars.calendar_id, '{{ var("default_calendar") }}') as calendar_id
from reps
left join calendars
    on reps.calendar_id = calendars.calendar_id
