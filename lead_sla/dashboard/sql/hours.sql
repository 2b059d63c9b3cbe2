-- One row per hour of the week (ISO weekday and hour of the reporting time zone) with a first conversion in the last
-- 12 weeks. An hour must have passed before a lead can count as answered within one, or not.
select
    isodow(local_time(first_conversion_at)) as iso_weekday,
    hour(local_time(first_conversion_at)) as hour_of_day,
    count(*) as leads,
    count(*) filter (where first_conversion_at <= $as_of - interval 1 hour) as judged_leads,
    count(*) filter (
        where first_conversion_at <= $as_of - interval 1 hour and speed_band in ('<=5m', '5-30m', '30-60m')
    ) as touched_within_the_hour
from marts.fct_speed_to_lead
where cast(local_time(first_conversion_at) as date) > $as_of_date - 84
group by iso_weekday, hour_of_day
order by iso_weekday, hour_of_day
