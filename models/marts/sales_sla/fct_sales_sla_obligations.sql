-- Grain: one row per obligation (obligation_id): one promise of Sales to one lead. Status, responsible rep and minutes
-- are derived here, and only here, from the kept facts and `as_of`.
-- Minutes run on the rule's clock and are not additive.
{%- set facts -%}
    obligation_id, lead_id, rule_id, trigger_activity_id, satisfying_activity_id, owner_at_trigger, owner_at_due,
    persona, clock, calendar_id, cancel_reason, required_touches, touches_by_due, touches_total, warn_fraction,
    triggered_position, due_position, ended_position, rule_valid_from, triggered_at, due_at, satisfied_at, cancelled_at
{%- endset %}
{#- While dbt reads the project it is shown what an increment refers to, so that it knows the order. #}

with obligations_of_the_batch as (
    select * from {{ ref('int_sales_sla__obligations') }}
),

{% if is_increment() or not execute -%}
-- What changes with the clock alone, of the other leads.
other_open_obligations as (
    select open_obligations.*
    from {{ ref('int_sales_sla__open_obligations') }} as open_obligations
    left join {{ batch() }} as batch
        on open_obligations.lead_id = batch.lead_id
    where batch.lead_id is null
),

{% endif -%}
obligations as (
    select {{ facts }}
    from obligations_of_the_batch
    {% if is_increment() or not execute -%}
        union all
        select {{ facts }}
        from other_open_obligations
    {%- endif %}
),

as_of_positions as (
    select * from {{ ref('int_calendar__as_of_positions') }}
),

clock as (
    select * from {{ ref('stg_crm__clock') }}
),

on_the_clock as (
    select
        obligations.*,
        -- The owner at the deadline is responsible; while it lies ahead, the owner of today.
        obligations.owner_at_due as responsible_rep_id,
        case
            when obligations.clock = 'elapsed' then {{ elapsed_position('clock.as_of') }}
            else as_of_positions.as_of_position
        end as as_of_position,
        clock.as_of
    from obligations
    cross join clock
    left join as_of_positions
        on obligations.calendar_id = as_of_positions.calendar_id
),

with_status as (
    select
        on_the_clock.*,
        case
            when on_the_clock.satisfied_at <= on_the_clock.due_at then 'met'
            when on_the_clock.cancelled_at <= on_the_clock.due_at then 'cancelled'
            when
                on_the_clock.due_at >= on_the_clock.as_of
                and on_the_clock.as_of_position - on_the_clock.triggered_position
                >= on_the_clock.warn_fraction * (on_the_clock.due_position - on_the_clock.triggered_position)
                then 'at_risk'
            when on_the_clock.due_at >= on_the_clock.as_of then 'pending'
            when on_the_clock.satisfied_at is not null then 'late'
            when on_the_clock.cancelled_at is not null then 'closed'
            else 'violating'
        end as status
    from on_the_clock
)

select
    obligation_id,
    lead_id,
    rule_id,
    trigger_activity_id,
    satisfying_activity_id,
    owner_at_trigger,
    responsible_rep_id,
    persona,
    status,
    cancel_reason,
    cast(required_touches as bigint) as required_touches,
    cast(touches_by_due as bigint) as touches_by_due,
    cast(touches_total as bigint) as touches_total,
    (coalesce(ended_position, as_of_position) - triggered_position) / {{ microseconds_a_minute() }} as response_minutes,
    case
        when status in ('late', 'closed', 'violating')
            then (coalesce(ended_position, as_of_position) - due_position) / {{ microseconds_a_minute() }}
    end as late_minutes,
    status in ('late', 'closed', 'violating') as is_breached,
    rule_valid_from,
    triggered_at,
    due_at,
    satisfied_at,
    cancelled_at,
    case when status in ('late', 'closed', 'violating') then due_at end as breached_at
from with_status
