-- Grain: one row per time zone and span of constant offset from UTC (time_zone, starts_at). Spans are [starts_at,
-- ends_at), in UTC.
-- Only the days on which the offset changes are searched by the minute: two a year, and only in zones that change their
-- clocks.

with business_calendars as (
    select * from {{ ref('business_calendars') }}
),

days as (
    select * from {{ ref('int_calendar__days') }}
),

minutes as (
    {{ dbt.generate_series(1440) }}
),

time_zones as (
    select business_calendars.time_zone from business_calendars
    union distinct
    select '{{ var("reporting_time_zone") }}' as time_zone
),

days_in_zones as (
    select
        time_zones.time_zone,
        cast(days.date_day as timestamp) as day_at,
        {{ dbt.datediff(
            'cast(days.date_day as timestamp)',
            utc_to_local('cast(days.date_day as timestamp)', 'time_zones.time_zone'),
            'second'
        ) }} as offset_seconds
    from days
    cross join time_zones
),

with_next_day as (
    select
        days_in_zones.*,
        lead(days_in_zones.offset_seconds) over (
            partition by days_in_zones.time_zone
            order by days_in_zones.day_at
        ) as next_offset_seconds
    from days_in_zones
),

minutes_of_change_days as (
    select
        with_next_day.time_zone,
        with_next_day.offset_seconds as previous_offset_seconds,
        {{ dbt.dateadd('minute', 'cast(minutes.generated_number as integer)', 'with_next_day.day_at') }} as minute_at
    from with_next_day
    cross join minutes
    where with_next_day.offset_seconds <> with_next_day.next_offset_seconds
),

offsets_by_minute as (
    select
        minutes_of_change_days.*,
        {{ dbt.datediff(
            'minutes_of_change_days.minute_at',
            utc_to_local('minutes_of_change_days.minute_at', 'minutes_of_change_days.time_zone'),
            'second'
        ) }} as offset_seconds
    from minutes_of_change_days
),

changes as (
    select
        time_zone,
        offset_seconds,
        min(minute_at) as starts_at
    from offsets_by_minute
    where offset_seconds <> previous_offset_seconds
    group by time_zone, offset_seconds, cast({{ dbt.dateadd('minute', '-1', 'minute_at') }} as date)
),

first_days as (
    select min(date_day) as first_date from days
),

starts as (
    select
        changes.time_zone,
        changes.offset_seconds,
        changes.starts_at
    from changes
    union all
    -- The first span reaches back a day, for zones that are ahead of UTC.
    select
        days_in_zones.time_zone,
        days_in_zones.offset_seconds,
        {{ dbt.dateadd('day', '-1', 'days_in_zones.day_at') }} as starts_at
    from days_in_zones
    inner join first_days
        on days_in_zones.day_at = cast(first_days.first_date as timestamp)
)

select
    time_zone,
    offset_seconds,
    starts_at,
    lead(starts_at) over (partition by time_zone order by starts_at) as ends_at
from starts
