-- Grain: one row. The days for which calendars must know their hours: from before the first instant that is ever looked
-- up to after the last deadline that can follow from `as_of`.
-- A margin of whole weeks at both ends holds enough of every calendar's hours for the longest rule, however many
-- holidays and clock changes fall into it: each spoils one week at most.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

business_calendars as (
    select * from {{ ref('business_calendars') }}
),

holidays as (
    select * from {{ ref('holidays') }}
),

marketing_targets as (
    select * from {{ ref('marketing_targets') }}
),

firsts as (
    select min(occurred_at) as first_at from activities
    union all
    select min(created_at) as first_at from leads
    union all
    -- The origin of all positions lies inside, so that the position of an instant never depends on the data.
    select cast({{ calendar_origin() }} as timestamp) as first_at
    union all
    select cast(min(target_month) as timestamp) as first_at from marketing_targets
    where cast(target_month as timestamp) <= {{ as_of() }}
    {% if is_increment() -%}
        -- The leads that this run does not look at began their history then.
        union all
        {{ as_it_was('first_at') }}
    {%- endif %}
),

weekly_hours as (
    select
        calendar_id,
        sum({{ minutes_of_day('closes_at') }} - {{ minutes_of_day('opens_at') }}) / 60.0 as open_hours
    from business_calendars
    group by calendar_id
),

needs as (
    select
        (select coalesce(max(rules.within_hours), 0) from rules where rules.clock = 'business') as longest_hours,
        (
            select min(weekly_hours.open_hours) from weekly_hours
            where weekly_hours.open_hours > 0
        ) as shortest_week_hours,
        (select count(*) from holidays) as holiday_count
),

margins as (
    select
        -- 6 weeks hold the current month; a year of weeks holds two clock changes.
        cast(
            7 * (6 + holiday_count + ceil(1.1 * longest_hours / coalesce(shortest_week_hours, 1.0)))
            as integer
        ) as margin_days
    from needs
)

select
    min(firsts.first_at) as first_at,
    cast(
        {{ dbt.dateadd('day', '-1 * margins.margin_days', dbt.date_trunc('day', 'min(firsts.first_at)')) }} as date
    ) as first_date,
    cast(
        {{ dbt.dateadd('day', 'margins.margin_days', dbt.date_trunc('day', as_of())) }} as date
    ) as last_date
from firsts
cross join margins
group by margins.margin_days
