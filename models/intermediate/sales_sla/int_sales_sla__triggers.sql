-- Grain: one row per event of a lead that a rule may name (lead_number, trigger, triggered_at, trigger_activity_id),
-- whether or not a rule in force does. A trigger belongs to the record that held its activity at that instant.
-- `assigned` has no activity.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

conversion_activities as (
    select * from {{ ref('int_leads__activities') }}
    where is_conversion
),

owners as (
    select * from {{ ref('int_leads__owners') }}
),

qualified as (
    select * from {{ ref('int_qualification__qualified') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

conversions as (
    select
        conversion_activities.lead_number,
        conversion_activities.activity_id,
        conversion_activities.occurred_at,
        row_number() over (
            partition by conversion_activities.lead_number
            order by conversion_activities.occurred_at, conversion_activities.activity_id
        ) as conversion_rank
    from conversion_activities
    where conversion_activities.is_held
),

-- The first three are events of the lead, and never activities, whatever a CRM may log under such a name.
named_activity_types as (
    select distinct rules.{{ column_named('trigger') }} as activity_type
    from rules
    where rules.{{ column_named('trigger') }} not in ('new_lead', 'qualified', 'assigned')
)

select
    conversions.lead_number,
    'new_lead' as {{ column_named('trigger') }},
    conversions.activity_id as trigger_activity_id,
    conversions.occurred_at as triggered_at
from conversions
where conversions.conversion_rank = 1
union all
select
    qualified.lead_number,
    'qualified' as {{ column_named('trigger') }},
    qualified.activity_id as trigger_activity_id,
    qualified.qualified_at as triggered_at
from qualified
where qualified.is_held
union all
select
    owners.lead_number,
    'assigned' as {{ column_named('trigger') }},
    cast(null as {{ dbt.type_string() }}) as trigger_activity_id,
    owners.valid_from as triggered_at
from owners
where owners.owner_id is not null
union all
select
    activities.lead_number,
    activities.activity_type as {{ column_named('trigger') }},
    activities.activity_id as trigger_activity_id,
    activities.occurred_at as triggered_at
from activities
inner join named_activity_types
    on activities.activity_type = named_activity_types.activity_type
where activities.is_held
