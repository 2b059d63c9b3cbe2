-- Grain: one row per day, rule and responsible rep with anything to count (date_day, rule_id, rep_id).
-- `triggered` counts by the day of the trigger, `due`, `met`, `breached` and `cancelled` by the day of the deadline
-- once it lies before `as_of`.
-- `open_violations` is a stock at the day's end (at `as_of` for its day): not additive over days. Rates are not
-- additive at all.

with triggered_obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

due_obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
    where due_at < {{ as_of() }}
),

ended_obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
    where status in ('late', 'closed')
),

days as (
    select * from {{ ref('int_calendar__days') }}
    where date_day <= {{ local_date(as_of()) }}
),

flows as (
    select
        {{ local_date('triggered_obligations.triggered_at') }} as date_day,
        triggered_obligations.rule_id,
        triggered_obligations.responsible_rep_id as rep_id,
        count(*) as triggered,
        0 as met,
        0 as breached,
        0 as cancelled,
        0 as opened_violations,
        0 as ended_violations
    from triggered_obligations
    group by 1, 2, 3
    union all
    select
        {{ local_date('due_obligations.due_at') }} as date_day,
        due_obligations.rule_id,
        due_obligations.responsible_rep_id as rep_id,
        0 as triggered,
        count(case when due_obligations.status = 'met' then 1 end) as met,
        count(case when due_obligations.is_breached then 1 end) as breached,
        count(case when due_obligations.status = 'cancelled' then 1 end) as cancelled,
        count(case when due_obligations.is_breached then 1 end) as opened_violations,
        0 as ended_violations
    from due_obligations
    group by 1, 2, 3
    union all
    -- A violation that ends at midnight sharp is no longer open at the end of the day before.
    select
        {{ local_date(add_microseconds(
            'coalesce(ended_obligations.satisfied_at, ended_obligations.cancelled_at)', -1
        )) }} as date_day,
        ended_obligations.rule_id,
        ended_obligations.responsible_rep_id as rep_id,
        0 as triggered,
        0 as met,
        0 as breached,
        0 as cancelled,
        0 as opened_violations,
        count(*) as ended_violations
    from ended_obligations
    group by 1, 2, 3
),

summed as (
    select
        flows.date_day,
        flows.rule_id,
        flows.rep_id,
        sum(flows.triggered) as triggered,
        sum(flows.met) as met,
        sum(flows.breached) as breached,
        sum(flows.cancelled) as cancelled,
        sum(flows.opened_violations - flows.ended_violations) as change_of_open_violations
    from flows
    group by flows.date_day, flows.rule_id, flows.rep_id
),

spans as (
    select
        summed.*,
        sum(summed.change_of_open_violations) over (
            partition by summed.rule_id, summed.rep_id
            order by summed.date_day
            rows between unbounded preceding and current row
        ) as open_violations,
        lead(summed.date_day) over (
            partition by summed.rule_id, summed.rep_id
            order by summed.date_day
        ) as next_date_day
    from summed
),

-- Between two days with events the stock stays as it is, and the day has a row only while it is not empty.
filled as (
    select
        days.date_day,
        spans.rule_id,
        spans.rep_id,
        case when days.date_day = spans.date_day then spans.triggered else 0 end as triggered,
        case when days.date_day = spans.date_day then spans.met else 0 end as met,
        case when days.date_day = spans.date_day then spans.breached else 0 end as breached,
        case when days.date_day = spans.date_day then spans.cancelled else 0 end as cancelled,
        spans.open_violations
    from spans
    inner join days
        on
            spans.date_day <= days.date_day
            and (spans.next_date_day is null or spans.next_date_day > days.date_day)
            and (spans.date_day = days.date_day or spans.open_violations > 0)
)

select
    date_day,
    rule_id,
    rep_id,
    cast(triggered as bigint) as triggered,
    cast(met + breached as bigint) as due,
    cast(met as bigint) as met,
    cast(breached as bigint) as breached,
    cast(cancelled as bigint) as cancelled,
    cast(open_violations as bigint) as open_violations,
    met / nullif(cast(met + breached as {{ type_double() }}), 0) as attainment_rate
from filled
where triggered + met + breached + cancelled + open_violations > 0
