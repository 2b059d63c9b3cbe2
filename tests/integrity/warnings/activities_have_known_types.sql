-- An activity type that the agreement does not know is a `system` one: no conversion, no touch, no answer.

with activities as (
    select * from {{ ref('stg_crm__activities') }}
),

activity_types as (
    select * from {{ ref('activity_types') }}
),

unknown as (
    select
        activities.activity_type,
        count(*) as activity_count,
        {{ examples('activities.activity_id') }} as some_activities
    from activities
    left join activity_types
        on activities.activity_type = activity_types.activity_type
    where activity_types.activity_type is null
    group by activities.activity_type
)

select
    {{ sentence(
        "activity type '{activity_type}': {activity_count} activities are of it (such as {some_activities}), and the seed activity_types does not "
        ~ "have it. They count as system: add it there, or map it in staging."
    ) }} as problem
from unknown
