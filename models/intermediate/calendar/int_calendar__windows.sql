-- Grain: one row per calendar and open window (calendar_id, opens_at), in UTC: [opens_at, closes_at), sorted and
-- without overlap.
-- `open_seconds_before` is the open time of the calendar between its origin and the window (negative before the
-- origin), so that the position of an instant is one as-of lookup, the open time between two instants a difference, and
-- a deadline one lookup back.

with hours as (
    select * from {{ ref('int_calendar__hours') }}
),

utc_offsets as (
    select * from {{ ref('int_calendar__utc_offsets') }}
),

-- The UTC instant of a local time is the first at which the zone's clock shows that time or a later one: in a repeated
-- hour the first pass, in a skipped hour the change itself.
openings as (
    select
        hours.calendar_id,
        hours.date_day,
        hours.opens_at_minute,
        min({{ first_instant_of('hours.opens_at_minute') }}) as opens_at
    from hours
    inner join utc_offsets
        on {{ reaches('hours.opens_at_minute') }}
    group by hours.calendar_id, hours.date_day, hours.opens_at_minute
),

closings as (
    select
        hours.calendar_id,
        hours.date_day,
        hours.opens_at_minute,
        min({{ first_instant_of('hours.closes_at_minute') }}) as closes_at
    from hours
    inner join utc_offsets
        on {{ reaches('hours.closes_at_minute') }}
    group by hours.calendar_id, hours.date_day, hours.opens_at_minute
),

-- Hours that lie wholly in a skipped hour do not exist.
windows as (
    select
        openings.calendar_id,
        openings.date_day,
        openings.opens_at,
        closings.closes_at,
        {{ dbt.datediff('openings.opens_at', 'closings.closes_at', 'second') }} as open_seconds
    from openings
    inner join closings
        on
            openings.calendar_id = closings.calendar_id
            and openings.date_day = closings.date_day
            and openings.opens_at_minute = closings.opens_at_minute
    where openings.opens_at < closings.closes_at
),

summed as (
    select
        windows.*,
        sum(windows.open_seconds) over (
            partition by windows.calendar_id
            order by windows.opens_at
            rows between unbounded preceding and current row
        ) - windows.open_seconds as seconds_since_first
    from windows
),

origins as (
    select
        calendar_id,
        sum(open_seconds) as seconds_until_origin
    from windows
    where opens_at < cast({{ calendar_origin() }} as timestamp)
    group by calendar_id
)

select
    summed.calendar_id,
    summed.date_day,
    cast(summed.open_seconds as bigint) as open_seconds,
    cast(summed.seconds_since_first - coalesce(origins.seconds_until_origin, 0) as bigint) as open_seconds_before,
    cast(
        (summed.seconds_since_first - coalesce(origins.seconds_until_origin, 0)) * 1000000 as bigint
    ) as open_microseconds_before,
    summed.opens_at,
    summed.closes_at
from summed
left join origins
    on summed.calendar_id = origins.calendar_id
