-- One row per ISO week of the first conversion, the last 13, the newest first, which still runs: the leads that the scope's reps own
-- now, by speed band. Who was never touched counts in the percentiles with the minutes so far: leaving leads unanswered must not
-- improve a median.
with speeds as (
    select
        cast(date_trunc('week', local_time(speed.first_conversion_at)) as date) as week_start_date,
        speed.speed_band,
        speed.business_minutes,
        speed.system_delay_minutes,
        coalesce(speed.elapsed_minutes, epoch_us($as_of - speed.first_conversion_at) / 6e7) as minutes_so_far
    from marts.fct_speed_to_lead as speed
    left join marts.dim_leads as leads on speed.lead_id = leads.lead_id
    where $reps is null or coalesce(leads.owner_id, $nobody) in (select unnest(cast($reps as varchar[])))
)

select
    week_start_date,
    strftime(week_start_date, '%G-W%V') as iso_week,
    count(*) as leads,
    count(*) filter (where speed_band = '<=5m') as within_5m,
    count(*) filter (where speed_band = '5-30m') as within_30m,
    count(*) filter (where speed_band = '30-60m') as within_60m,
    count(*) filter (where speed_band = '1-24h') as within_24h,
    count(*) filter (where speed_band = '>24h') as after_24h,
    count(*) filter (where speed_band = 'never') as never,
    count(*) filter (where speed_band in ('<=5m', '5-30m', '30-60m')) / count(*) as within_the_hour_rate,
    quantile_cont(minutes_so_far, 0.5) as p50_minutes,
    quantile_cont(minutes_so_far, 0.9) as p90_minutes,
    quantile_cont(business_minutes, 0.5) as p50_business_minutes,
    quantile_cont(system_delay_minutes, 0.5) as p50_system_delay_minutes
from speeds
where week_start_date >= cast(date_trunc('week', $as_of_date) as date) - 84
group by week_start_date
order by week_start_date desc
