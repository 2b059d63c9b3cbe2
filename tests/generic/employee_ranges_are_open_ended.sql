{#
    On every day since the first, companies of every size have a persona: the lowest range begins at 1 employee or is open, the
    highest is open, and some persona is in force. Legal otherwise (those leads are `unknown`), so this one only warns.
#}
{% test employee_ranges_are_open_ended(model) %}

with change_days as (

    {{ policy_change_days(model) }}

),

sizes as (

    select
        change_days.changed_on,
        count(personas.persona) as personas,
        min(coalesce(personas.min_employees, 0)) as smallest,
        case
            when count(personas.max_employees) = count(*) then max(personas.max_employees)
        end as largest
    from change_days
    left join {{ model }} as personas
        on {{ in_force("personas", "change_days.changed_on") }}
    group by change_days.changed_on

)

select
    {{ sentence(
        tested_name(model) ~ ": from {min(changed_on)} on, companies below {smallest} employees belong to no persona, and their leads "
        ~ "are unknown. If that is not meant, leave min_employees of the smallest persona empty."
    ) }} as problem
from sizes
where smallest > 1
group by smallest

union all

select
    {{ sentence(
        tested_name(model) ~ ": from {min(changed_on)} on, companies above {largest} employees belong to no persona, and their leads "
        ~ "are unknown. If that is not meant, leave max_employees of the largest persona empty."
    ) }} as problem
from sizes
where largest is not null
group by largest

union all

select
    {{ sentence(
        tested_name(model) ~ ": from {changed_on} on, no persona is in force, and every new lead is unknown. "
        ~ "If that is not meant, clear or correct valid_to."
    ) }} as problem
from sizes
where personas = 0

{% endtest %}
