-- Grain: one row per day and persona of the Buyer Matrix, and `all` (date_day, persona). Only `qualified_leads` and
-- `credited_value_usd` are additive over days, and nothing is additive over personas together with `all`.
-- Deviation from the ideal line in either direction hurts Sales: `behind` starves it, `ahead` floods it.

with all_days as (
    select * from {{ ref('int_marketing_sla__days') }}
),

buyer_matrix as (
    select * from {{ ref('buyer_matrix') }}
),

qualified as (
    select * from {{ ref('fct_qualified_leads') }}
),

credits as (
    select * from {{ ref('fct_marketing_credits') }}
),

targets as (
    select * from {{ ref('int_marketing_sla__targets') }}
),

personas as (
    select distinct persona from buyer_matrix
),

firsts as (
    select min(targets.target_month) as first_date from targets
    union all
    select min(qualified.qualified_date) as first_date from qualified
),

first_day as (
    select min(first_date) as first_date from firsts
),

days as (
    select all_days.*
    from all_days
    inner join first_day
        on all_days.date_day >= first_day.first_date
),

qualified_by_day as (
    select
        qualified.qualified_date,
        qualified.persona,
        count(*) as qualified_leads
    from qualified
    group by qualified.qualified_date, qualified.persona
),

credited_by_day as (
    select
        credits.credited_date,
        credits.persona,
        sum(credits.value_usd) as credited_value_usd
    from credits
    group by credits.credited_date, credits.persona
),

by_persona as (
    select
        days.date_day,
        personas.persona,
        coalesce(qualified_by_day.qualified_leads, 0) as qualified_leads,
        coalesce(credited_by_day.credited_value_usd, 0) as credited_value_usd,
        targets.target_leads,
        targets.target_value_usd
    from days
    cross join personas
    left join qualified_by_day
        on
            days.date_day = qualified_by_day.qualified_date
            and personas.persona = qualified_by_day.persona
    left join credited_by_day
        on
            days.date_day = credited_by_day.credited_date
            and personas.persona = credited_by_day.persona
    left join targets
        on
            days.month_start_date = targets.target_month
            and personas.persona = targets.persona
),

-- A missing target adds nothing to the sum; where all are missing, so is the sum.
with_all as (
    select
        by_persona.date_day,
        by_persona.persona,
        by_persona.qualified_leads,
        by_persona.credited_value_usd,
        by_persona.target_leads,
        by_persona.target_value_usd
    from by_persona
    union all
    select
        by_persona.date_day,
        'all' as persona,
        sum(by_persona.qualified_leads) as qualified_leads,
        sum(by_persona.credited_value_usd) as credited_value_usd,
        sum(by_persona.target_leads) as target_leads,
        sum(by_persona.target_value_usd) as target_value_usd
    from by_persona
    group by by_persona.date_day
),

to_date as (
    select
        with_all.*,
        days.elapsed_share,
        days.days_in_month - days.elapsed_days as days_left,
        sum(with_all.qualified_leads) over (
            partition by with_all.persona, days.month_start_date
            order by with_all.date_day
            rows between unbounded preceding and current row
        ) as mtd_leads,
        sum(with_all.credited_value_usd) over (
            partition by with_all.persona, days.month_start_date
            order by with_all.date_day
            rows between unbounded preceding and current row
        ) as mtd_value_usd,
        -- A day that is not over yet tells nothing about a full day.
        count(case when days.is_full_day then 1 end) over (
            partition by with_all.persona
            order by with_all.date_day
            rows between {{ forecast_days() }} preceding and current row
        ) as history_days,
        days.is_full_day,
        avg(case when days.is_full_day then cast(with_all.qualified_leads as {{ type_double() }}) end) over (
            partition by with_all.persona
            order by with_all.date_day
            rows between {{ forecast_days() - 1 }} preceding and current row
        ) as mean_to_the_day,
        avg(cast(with_all.qualified_leads as {{ type_double() }})) over (
            partition by with_all.persona
            order by with_all.date_day
            rows between {{ forecast_days() }} preceding and 1 preceding
        ) as mean_before_the_day
    from with_all
    inner join days
        on with_all.date_day = days.date_day
),

measured as (
    select
        to_date.*,
        to_date.target_leads * to_date.elapsed_share as ideal_leads,
        to_date.target_value_usd * to_date.elapsed_share as ideal_value_usd,
        case
            when to_date.history_days < 14 then null
            when to_date.is_full_day then to_date.days_left * to_date.mean_to_the_day
            else to_date.days_left * to_date.mean_before_the_day
        end as leads_to_come
    from to_date
),

-- Marketing is held to dollars where there is a target in dollars, else to leads.
paced as (
    select
        measured.*,
        case
            when measured.target_value_usd is not null then cast(measured.mtd_value_usd as {{ type_double() }})
            else measured.mtd_leads
        end as paced_actual,
        case
            when measured.target_value_usd is not null then measured.ideal_value_usd
            else measured.ideal_leads
        end as paced_ideal
    from measured
)

select
    date_day,
    persona,
    -- The bound itself is still on pace; a millionth of slack keeps floating numbers from deciding about it.
    case
        when paced_ideal is null then 'no_target'
        when paced_actual < paced_ideal * (1 - {{ var('pace_tolerance') }}) - 0.000001 then 'behind'
        when paced_actual > paced_ideal * (1 + {{ var('pace_tolerance') }}) + 0.000001 then 'ahead'
        else 'on_pace'
    end as pace,
    cast(qualified_leads as bigint) as qualified_leads,
    cast(mtd_leads as bigint) as mtd_leads,
    ideal_leads as ideal_mtd_leads,
    target_leads,
    mtd_leads / target_leads as leads_attainment_rate,
    cast(credited_value_usd as decimal(18, 2)) as credited_value_usd,
    cast(mtd_value_usd as decimal(18, 2)) as mtd_value_usd,
    -- Half a cent is rounded up, also where the floating number falls short of it by its last digits.
    cast(cast(ideal_value_usd as decimal(28, 8)) as decimal(18, 2)) as ideal_mtd_value_usd,
    cast(target_value_usd as decimal(18, 2)) as target_value_usd,
    cast(mtd_value_usd as {{ type_double() }}) / cast(target_value_usd as {{ type_double() }}) as value_attainment_rate,
    mtd_leads + leads_to_come as forecast_leads,
    -- Fewer than none cannot come (`greatest` would make 0 of a null on some engines).
    mtd_leads + case
        when leads_to_come < {{ normal_quantile_90() }} * {{ normal_quantile_90() }} then 0
        else leads_to_come - {{ normal_quantile_90() }} * sqrt(leads_to_come)
    end as forecast_leads_low,
    mtd_leads + leads_to_come + {{ normal_quantile_90() }} * sqrt(leads_to_come) as forecast_leads_high
from paced
