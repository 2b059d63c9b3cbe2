-- Grain: one row per calendar and span of time in which it is open or closed throughout (calendar_id, starts_at), in
-- UTC: [starts_at, ends_at), without gaps from the calendar's first window on, and cut at midnight UTC.
-- So the span of an instant is found by calendar and UTC day, which sorts nothing: a day has a handful of spans.
-- `position` is the calendar's open time from its origin to `starts_at`, in microseconds; from there on it grows with
-- the time times `pace`, which is 1 where the calendar is open, else 0.

with windows as (
    select * from {{ ref('int_calendar__windows') }}
),

days as (
    select * from {{ ref('int_calendar__days') }}
),

calendars as (
    select distinct calendar_id from windows
),

cuts as (
    select
        windows.calendar_id,
        windows.opens_at as starts_at
    from windows
    union distinct
    select
        windows.calendar_id,
        windows.closes_at as starts_at
    from windows
    union distinct
    select
        calendars.calendar_id,
        cast(days.date_day as timestamp) as starts_at
    from calendars
    cross join days
),

-- The window that opened last.
with_window as (
    select
        cuts.calendar_id,
        cuts.starts_at,
        lead(cuts.starts_at) over (partition by cuts.calendar_id order by cuts.starts_at) as ends_at,
        max(windows.opens_at) over (
            partition by cuts.calendar_id
            order by cuts.starts_at
            rows between unbounded preceding and current row
        ) as opens_at
    from cuts
    left join windows
        on
            cuts.calendar_id = windows.calendar_id
            and cuts.starts_at = windows.opens_at
)

select
    with_window.calendar_id,
    cast(with_window.starts_at as date) as utc_date,
    windows.open_microseconds_before + {{ microseconds_between(
        'windows.opens_at',
        'case when with_window.starts_at < windows.closes_at then with_window.starts_at else windows.closes_at end'
    ) }} as position,
    case when with_window.starts_at < windows.closes_at then 1 else 0 end as pace,
    with_window.starts_at,
    with_window.ends_at
from with_window
inner join windows
    on
        with_window.calendar_id = windows.calendar_id
        and with_window.opens_at = windows.opens_at
where with_window.ends_at is not null
