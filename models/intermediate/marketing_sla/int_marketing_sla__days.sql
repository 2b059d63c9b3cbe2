-- Grain: one row per day of the Marketing SLA, from the first target or qualified lead to `as_of` (date_day).
-- `elapsed_days` and `elapsed_share` say how much of the month lies behind at the day's end; on the day of `as_of`, pro
-- rata.

with clock as (
    select
        stg_crm__clock.as_of,
        {{ local_date('stg_crm__clock.as_of') }} as as_of_date
    from {{ ref('stg_crm__clock') }} as stg_crm__clock
),

calendar_days as (
    select
        days.date_day,
        cast({{ dbt.date_trunc('month', 'days.date_day') }} as date) as month_start_date
    from {{ ref('int_calendar__days') }} as days
),

targets as (
    select * from {{ ref('int_marketing_sla__targets') }}
),

qualified as (
    select * from {{ ref('int_qualification__qualified') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
    where not is_merged
),

windows as (
    select * from {{ ref('int_calendar__windows') }}
),

utc_offsets as (
    select * from {{ ref('int_calendar__utc_offsets') }}
    where time_zone = '{{ var("reporting_time_zone") }}'
),

firsts as (
    select min(targets.target_month) as first_date from targets
    union all
    select min(qualified.qualified_date) as first_date
    from qualified
    inner join leads
        on qualified.lead_id = leads.lead_id
),

first_day as (
    select min(first_date) as first_date from firsts
),

business_days as (
    select distinct date_day from windows
    where calendar_id = '{{ var("default_calendar") }}'
),

-- The day of `as_of` counts by the share of it that has passed: it is 23 or 25 hours long when clocks change.
bounds as (
    select
        clock.as_of,
        clock.as_of_date,
        {{ start_of_day('clock.as_of_date') }} as day_starts_at,
        {{ start_of_day(dbt.dateadd('day', 1, 'clock.as_of_date')) }} as day_ends_at
    from clock
    cross join utc_offsets
    group by clock.as_of, clock.as_of_date
),

as_of_share as (
    select
        as_of_date,
        {{ microseconds_between('day_starts_at', 'as_of') }}
        / cast({{ microseconds_between('day_starts_at', 'day_ends_at') }} as {{ type_double() }}) as share_passed
    from bounds
),

weighted as (
    select
        calendar_days.date_day,
        calendar_days.month_start_date,
        as_of_share.as_of_date,
        case
            when calendar_days.date_day = as_of_share.as_of_date then as_of_share.share_passed
            else 1.0
        end as share_passed,
        count(*) over (partition by calendar_days.month_start_date) as days_in_month,
        count(business_days.date_day) over (partition by calendar_days.month_start_date) as business_days_in_month,
        case when business_days.date_day is not null then 1 else 0 end as is_business_day
    from calendar_days
    cross join as_of_share
    left join business_days
        on calendar_days.date_day = business_days.date_day
),

passed as (
    select
        weighted.*,
        sum(weighted.share_passed) over (
            partition by weighted.month_start_date
            order by weighted.date_day
            rows between unbounded preceding and current row
        ) as elapsed_days,
        sum(weighted.share_passed * weighted.is_business_day) over (
            partition by weighted.month_start_date
            order by weighted.date_day
            rows between unbounded preceding and current row
        ) as elapsed_business_days
    from weighted
)

select
    passed.date_day,
    passed.month_start_date,
    passed.date_day < passed.as_of_date as is_full_day,
    passed.days_in_month,
    passed.elapsed_days,
    {% if var('pacing') == 'business_days' -%}
        -- A month without a business day is paced by all its days.
        case
            when passed.business_days_in_month = 0 then passed.elapsed_days / passed.days_in_month
            else passed.elapsed_business_days / passed.business_days_in_month
        end as elapsed_share
    {%- else -%}
        passed.elapsed_days / passed.days_in_month as elapsed_share
    {%- endif %}
from passed
cross join first_day
where
    passed.date_day >= first_day.first_date
    and passed.date_day <= passed.as_of_date
