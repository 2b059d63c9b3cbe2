-- Grain: one row per lead with a conversion (lead_id), merged leads in their survivors. All minutes run from the first
-- conversion.
-- Minutes are elapsed ones but `business_minutes`; they are not additive. Without a touch they are null, but for the
-- system's delay of a lead that was assigned.

with leads as (
    select * from {{ ref('int_leads__leads') }}
    where not is_merged
),

conversion_activities as (
    select * from {{ ref('int_leads__activities') }}
    where is_conversion
),

answering_activities as (
    select * from {{ ref('int_leads__activities') }}
    where is_touch or is_contact
),

owners as (
    select * from {{ ref('int_leads__owners') }}
),

owners_at_conversion as (
    select * from {{ ref('int_leads__owners') }}
),

rep_calendars as (
    select * from {{ ref('int_calendar__rep_calendars') }}
),

spans as (
    select * from {{ ref('int_calendar__spans') }}
),

first_conversions as (
    select
        conversion_activities.lead_number,
        min(conversion_activities.occurred_at) as first_conversion_at
    from conversion_activities
    group by conversion_activities.lead_number
),

conversions as (
    select
        leads.lead_id,
        leads.lead_number,
        first_conversions.first_conversion_at
    from first_conversions
    inner join leads
        on first_conversions.lead_number = leads.lead_number
),

answers as (
    select
        conversions.lead_number,
        min(case when answering_activities.is_touch then answering_activities.occurred_at end) as first_touch_at,
        min(case when answering_activities.is_contact then answering_activities.occurred_at end) as first_contact_at
    from conversions
    inner join answering_activities
        on
            conversions.lead_number = answering_activities.lead_number
            and conversions.first_conversion_at <= answering_activities.occurred_at
    group by conversions.lead_number
),

-- The first instant from the conversion on with an owner.
assignments as (
    select
        conversions.lead_number,
        min(greatest(owners.valid_from, conversions.first_conversion_at)) as assigned_at
    from conversions
    inner join owners
        on
            conversions.lead_number = owners.lead_number
            and (owners.valid_to is null or conversions.first_conversion_at < owners.valid_to)
    where owners.owner_id is not null
    group by conversions.lead_number
),

instants as (
    select
        conversions.lead_id,
        coalesce(rep_calendars.calendar_id, '{{ var("default_calendar") }}') as calendar_id,
        conversions.first_conversion_at,
        assignments.assigned_at,
        answers.first_touch_at,
        answers.first_contact_at,
        case
            when answers.first_touch_at < assignments.assigned_at or assignments.assigned_at is null
                then answers.first_touch_at
            else assignments.assigned_at
        end as system_done_at
    from conversions
    left join answers
        on conversions.lead_number = answers.lead_number
    left join assignments
        on conversions.lead_number = assignments.lead_number
    left join owners_at_conversion
        on
            conversions.lead_number = owners_at_conversion.lead_number
            and {{ holds_at('owners_at_conversion', 'conversions.first_conversion_at') }}
    left join rep_calendars
        on owners_at_conversion.owner_id = rep_calendars.rep_id
),

with_conversion_position as (
    {{ with_business_position('instants', 'first_conversion_at', 'conversion_position') }}
),

with_positions as (
    {{ with_business_position('with_conversion_position', 'first_touch_at', 'touch_position') }}
),

measured as (
    select
        with_positions.*,
        {{ microseconds_between('with_positions.first_conversion_at', 'with_positions.first_touch_at') }}
            as elapsed_microseconds,
        {{ microseconds_between('with_positions.first_conversion_at', 'with_positions.system_done_at') }}
            as system_microseconds
    from with_positions
)

select
    lead_id,
    case
        when elapsed_microseconds is null then 'never'
        when elapsed_microseconds <= 5 * {{ microseconds_a_minute() }} then '<=5m'
        when elapsed_microseconds <= 30 * {{ microseconds_a_minute() }} then '5-30m'
        when elapsed_microseconds <= 60 * {{ microseconds_a_minute() }} then '30-60m'
        when elapsed_microseconds <= 24 * 60 * {{ microseconds_a_minute() }} then '1-24h'
        else '>24h'
    end as speed_band,
    elapsed_microseconds / {{ microseconds_a_minute() }} as elapsed_minutes,
    (touch_position - conversion_position) / {{ microseconds_a_minute() }} as business_minutes,
    system_microseconds / {{ microseconds_a_minute() }} as system_delay_minutes,
    (elapsed_microseconds - system_microseconds) / {{ microseconds_a_minute() }} as rep_delay_minutes,
    first_conversion_at,
    assigned_at,
    first_touch_at,
    first_contact_at
from measured
