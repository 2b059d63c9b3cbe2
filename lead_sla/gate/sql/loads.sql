-- Grain: one row per raw table: what was landed, against the loads before it. A column named for something wrong says what is wrong,
-- and is null where nothing is.
--
-- Reads `landed` (place, table_name, row_count, newest_load), `limits` (table_name, warn_after, error_after: intervals or null), `heard`
-- (table_name, heard_at: the loader's word that it had nothing new) and `row_counts` (checked_at, table_name, row_count: the earlier
-- checks that found no error).
create macro hours_between(earlier, later) as epoch(later - earlier) / 3600;
create macro said_age(hours) as
    if(hours < 72, floor(hours)::bigint || ' hours', floor(hours / 24)::bigint || ' days');
create macro said_number(number) as format('{:,}', number::bigint);

create table loads as
with counted as (
    from row_counts
    where checked_at < getvariable('checked_at')
    union all by name
    select getvariable('checked_at') as checked_at, table_name, row_count from landed
),

-- New rows of the day before each check: that compares nights with nights, and a run every quarter of an hour with others like it.
news as (
    select
        later.table_name,
        later.checked_at,
        round(hours_between(later.checked_at, getvariable('checked_at')) / 24)::bigint as days_ago,
        abs(hours_between(later.checked_at, getvariable('checked_at')) - 24 * days_ago) as hours_off,
        later.row_count
        - arg_min(earlier.row_count, abs(hours_between(earlier.checked_at, later.checked_at) - 24)) as new_rows
    from counted as later
    inner join counted as earlier
        on
            later.table_name = earlier.table_name
            and hours_between(earlier.checked_at, later.checked_at) between 22 and 26
    group by later.table_name, later.checked_at, later.row_count
),

-- One check a day, the one nearest to this time of the day.
days as (
    from news
    where hours_off <= 2 and days_ago <= 56
    qualify row_number() over (partition by table_name, days_ago order by hours_off, checked_at) = 1
),

-- A Monday is compared with Mondays as soon as there are four, until then with every day of the last four weeks.
compared as (
    select
        *,
        count(*) filter (days_ago % 7 = 0) over (partition by table_name) >= 4 as with_weekday
    from days
    where days_ago > 0
    qualify if(with_weekday, days_ago % 7 = 0, days_ago <= 28)
),

-- The median, and the median distance from it: one odd day moves neither. Half of the median, or fifty rows, are never news.
usual as (
    select
        table_name,
        count(*) as days,
        count(*) >= if(with_weekday, 4, 5) as is_enough,
        median(new_rows) as middle,
        greatest(4 * 1.4826 * mad(new_rows), 0.5 * abs(median(new_rows)), 50) as distance
    from compared
    group by table_name, with_weekday
),

last_check as (
    select
        table_name,
        max(checked_at) as checked_at,
        arg_max(row_count, checked_at) as row_count
    from row_counts
    where checked_at < getvariable('checked_at')
    group by table_name
),

measured as (
    select
        landed.place,
        landed.table_name,
        landed.row_count,
        landed.newest_load,
        heard.heard_at,
        hours_between(greatest(landed.newest_load, heard.heard_at), getvariable('checked_at')) as age_hours,
        epoch(limits.warn_after) / 3600 as warn_hours,
        epoch(limits.error_after) / 3600 as error_hours,
        last_check.checked_at as last_checked_at,
        last_check.row_count - landed.row_count as lost_rows,
        lost_rows > 0.01 * last_check.row_count as lost_many,
        today.new_rows,
        coalesce(usual.days, 0) as days_compared,
        if(usual.is_enough, greatest(0, floor(usual.middle - usual.distance)), null)::bigint as usual_low,
        if(usual.is_enough, ceil(usual.middle + usual.distance), null)::bigint as usual_high
    from landed
    left join limits using (table_name)
    left join heard using (table_name)
    left join usual using (table_name)
    left join last_check using (table_name)
    left join (from days where days_ago = 0) as today using (table_name)
),

told as (
    select
        *,
        concat(
            'raw ', table_name, ': nothing was loaded since ', strftime(newest_load, '%Y-%m-%d %H:%M'), ' UTC, ',
            if(heard_at > newest_load, 'and the loader was last heard ', ''), said_age(age_hours), ' ago (late after ',
            said_age(warn_hours), ', refused after ' || said_age(error_hours), ')'
        ) as age,
        concat(
            'raw ', table_name, ': ', said_number(lost_rows), if(lost_rows = 1, ' row', ' rows'), ' fewer than at ',
            strftime(last_checked_at, '%Y-%m-%d %H:%M'), ' UTC'
        ) as loss,
        concat(
            'raw ', table_name, ': ', said_number(new_rows), if(new_rows = 1, ' new row', ' new rows'), ' in a day, where ', said_number(usual_low), ' to ',
            said_number(usual_high), ' are usual (', days_compared, ' days compared)'
        ) as amount
    from measured
)

select
    table_name as row_name,
    * exclude (place, age, loss, amount),
    if(age_hours > warn_hours and coalesce(age_hours <= error_hours, true), age, null) as late,
    if(age_hours > error_hours, age, null) as too_old,
    if(lost_rows > 0 and not lost_many, loss, null) as lost_some_rows,
    if(lost_rows > 0 and lost_many, loss, null) as lost_many_rows,
    if(new_rows < usual_low and coalesce(lost_rows <= 0, true), amount, null) as fewer_rows,
    if(new_rows > usual_high, amount, null) as more_rows
from told
order by place;
