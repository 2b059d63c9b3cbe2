-- Grain: one row per calendar, day and shift in local wall-clock time (calendar_id, date_day, opens_at_minute).
-- A holiday row replaces the hours of its calendar and day, also on a day that is closed otherwise; without hours the
-- day is closed.

with days as (
    select * from {{ ref('int_calendar__days') }}
),

business_calendars as (
    select * from {{ ref('business_calendars') }}
),

holidays as (
    select * from {{ ref('holidays') }}
),

time_zones as (
    select distinct
        calendar_id,
        time_zone
    from business_calendars
),

hours as (
    select
        business_calendars.calendar_id,
        business_calendars.time_zone,
        days.date_day,
        business_calendars.opens_at,
        business_calendars.closes_at
    from days
    inner join business_calendars
        on {{ iso_weekday('days.date_day') }} = business_calendars.iso_weekday
    left join holidays
        on
            business_calendars.calendar_id = holidays.calendar_id
            and days.date_day = holidays.holiday_date
    where holidays.calendar_id is null
    union all
    select
        holidays.calendar_id,
        time_zones.time_zone,
        holidays.holiday_date as date_day,
        holidays.opens_at,
        holidays.closes_at
    from holidays
    inner join days
        on holidays.holiday_date = days.date_day
    inner join time_zones
        on holidays.calendar_id = time_zones.calendar_id
    where holidays.opens_at is not null
)

select
    calendar_id,
    time_zone,
    date_day,
    {{ minutes_of_day('opens_at') }} as opens_at_minute,
    {{ minutes_of_day('closes_at') }} as closes_at_minute
from hours
