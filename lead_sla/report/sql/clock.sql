-- One row: the run's instant, the present and the day before, in the reporting time zone, which every other query converts to.
select
    as_of,
    reporting_time_zone,
    local_time(as_of) as as_of_local,
    local_time(as_of - interval 1 day) as day_before_local,
    local_time(cast($now as timestamp)) as now_local,
    cast(date_trunc('month', local_time(as_of)) as date) as month_start_date,
    cast(last_day(local_time(as_of)) as date) as month_end_date,
    -- The day of `as_of` counts by the share that has passed: it is 23 or 25 hours long when clocks change.
    epoch_us(as_of) - epoch_us(utc_start_of(cast(local_time(as_of) as date))) as us_passed,
    epoch_us(utc_start_of(cast(local_time(as_of) as date) + 1)) - epoch_us(utc_start_of(cast(local_time(as_of) as date))) as us_of_day
from marts.run_metadata
