-- One row per ISO week of the first conversion, the last 13, of which the newest still runs: leads by speed band,
-- and percentiles of the minutes to the first touch. Who was never touched counts with the minutes so far: leaving
-- leads unanswered must not improve a median.
select
    cast(date_trunc('week', local_time(first_conversion_at)) as date) as week_start_date,
    count(*) as leads,
    count(*) filter (where speed_band = '<=5m') as within_5m,
    count(*) filter (where speed_band = '5-30m') as within_30m,
    count(*) filter (where speed_band = '30-60m') as within_60m,
    count(*) filter (where speed_band = '1-24h') as within_24h,
    count(*) filter (where speed_band = '>24h') as after_24h,
    count(*) filter (where speed_band = 'never') as never,
    quantile_cont(coalesce(elapsed_minutes, epoch_us($as_of - first_conversion_at) / 6e7), 0.5) as p50_minutes,
    quantile_cont(coalesce(elapsed_minutes, epoch_us($as_of - first_conversion_at) / 6e7), 0.9) as p90_minutes,
    quantile_cont(business_minutes, 0.5) as p50_business_minutes,
    quantile_cont(system_delay_minutes, 0.5) as p50_system_delay_minutes
from marts.fct_speed_to_lead
where cast(local_time(first_conversion_at) as date) >= cast(date_trunc('week', $as_of_date) as date) - 84
group by week_start_date
order by week_start_date
