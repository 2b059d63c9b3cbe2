-- Grain: one row per trigger that a rule in force binds (candidate_number, which stands for the other four: lead,
-- rule, instant and activity).
-- Not each one opens an obligation: int_sales_sla__not_opened has those that come while an earlier one is running.
-- `triggered_position` and `due_position` are microseconds on the rule's clock (macros/calendar/positions.sql).

with triggers as (
    select * from {{ ref('int_sales_sla__triggers') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

personas as (
    select * from {{ ref('int_leads__personas') }}
),

cancellations as (
    select * from {{ ref('int_leads__cancellations') }}
),

owners as (
    select * from {{ ref('int_leads__owners') }}
),

rep_calendars as (
    select * from {{ ref('int_calendar__rep_calendars') }}
),

spans as (
    select * from {{ ref('int_calendar__spans') }}
),

windows as (
    select * from {{ ref('int_calendar__windows') }}
),

-- The version in force at the trigger binds, for the persona at the trigger; after the lead's cancellation nothing is
-- owed any more.
bound as (
    select
        triggers.lead_number,
        rules.rule_id,
        rules.valid_from as rule_valid_from,
        triggers.trigger_activity_id,
        triggers.triggered_at,
        personas.persona,
        rules.required_touches,
        coalesce(rules.touch_channel, 'any') as touch_scope,
        rules.clock,
        rules.warn_fraction,
        cast(round(rules.within_hours * 3600000000) as bigint) as window_microseconds,
        owners.owner_id as owner_at_trigger,
        coalesce(rep_calendars.calendar_id, '{{ var("default_calendar") }}') as calendar_id,
        cancellations.cancelled_at,
        cancellations.cancel_reason
    from triggers
    inner join rules
        on
            triggers.{{ column_named('trigger') }} = rules.{{ column_named('trigger') }}
            and {{ in_force('rules', local_date('triggers.triggered_at')) }}
    inner join personas
        on
            triggers.lead_number = personas.lead_number
            and {{ holds_at('personas', 'triggers.triggered_at') }}
    left join cancellations
        on triggers.lead_number = cancellations.lead_number
    left join owners
        on
            triggers.lead_number = owners.lead_number
            and {{ holds_at('owners', 'triggers.triggered_at') }}
    left join rep_calendars
        on owners.owner_id = rep_calendars.rep_id
    where
        (rules.persona is null or rules.persona = personas.persona)
        and (cancellations.cancelled_at is null or triggers.triggered_at < cancellations.cancelled_at)
),

positions as (
    {{ with_rule_position('bound', 'triggered_at', 'triggered_position') }}
),

targets as (
    select
        positions.*,
        positions.triggered_position + positions.window_microseconds as due_position
    from positions
),

elapsed as (
    select
        targets.*,
        {{ add_microseconds('targets.triggered_at', 'targets.window_microseconds') }} as due_at
    from targets
    where targets.clock = 'elapsed'
),

business_targets as (
    select * from targets
    where clock = 'business'
),

business as (
    {{ with_business_instant('business_targets', 'due_position', 'due_at') }}
),

both_clocks as (
    select * from elapsed
    union all
    select * from business
)

select
    {{ number_of(['lead_number', 'rule_id', 'triggered_at', 'trigger_activity_id']) }} as candidate_number,
    lead_number,
    rule_id,
    trigger_activity_id,
    persona,
    touch_scope,
    clock,
    calendar_id,
    owner_at_trigger,
    cancel_reason,
    required_touches,
    warn_fraction,
    triggered_position,
    due_position,
    rule_valid_from,
    triggered_at,
    due_at,
    cancelled_at
from both_clocks
