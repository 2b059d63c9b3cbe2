{#
    On every day, the ranges of employees (`min_employees` to `max_employees`, both inclusive, empty = open) of the personas in
    force neither overlap nor leave a hole between two of them. What lies below the lowest and above the highest is
    looked at by employee_ranges_are_open_ended.
#}
{% test employee_ranges_join_up(model) %}

with change_days as (

    {{ policy_change_days(model) }}

),

ranges as (

    select
        change_days.changed_on,
        personas.persona,
        personas.min_employees,
        personas.max_employees,
        coalesce(personas.min_employees, -1) as from_employees,
        coalesce(personas.max_employees, cast('9000000000000000000' as {{ dbt.type_bigint() }})) as to_employees
    from change_days
    inner join {{ model }} as personas
        on {{ in_force("personas", "change_days.changed_on") }}

),

ordered as (

    select
        changed_on,
        persona,
        from_employees,
        max(to_employees) over (
            partition by changed_on
            order by from_employees, to_employees
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from ranges

),

backwards as (

    select distinct
        persona,
        min_employees,
        max_employees
    from {{ model }}
    where min_employees > max_employees

),

claimed_twice as (

    select
        one.persona,
        other.persona as other_persona,
        min(one.changed_on) as since,
        greatest(one.from_employees, other.from_employees) as from_employees,
        least(one.to_employees, other.to_employees) as to_employees
    from ranges as one
    inner join ranges as other
        on
            one.changed_on = other.changed_on
            and one.persona < other.persona
            and one.from_employees <= other.to_employees
            and other.from_employees <= one.to_employees
    group by
        one.persona,
        other.persona,
        greatest(one.from_employees, other.from_employees),
        least(one.to_employees, other.to_employees)

),

left_out as (

    select
        persona,
        covered_to + 1 as from_employees,
        from_employees - 1 as to_employees,
        min(changed_on) as since
    from ordered
    where from_employees > covered_to + 1
    group by persona, covered_to + 1, from_employees - 1

)

select
    {{ sentence(
        tested_name(model) ~ " (persona {persona}): min_employees {min_employees} is more than max_employees {max_employees}. "
        ~ "Swap them, or correct one."
    ) }} as problem
from backwards

union all

select
    {{ sentence(
        tested_name(model) ~ " (personas {persona} and {other_persona}): from {since} on, both claim companies of "
        ~ "{greatest(from_employees, 0)}{case when to_employees = from_employees then '' "
        ~ "when to_employees = 9000000000000000000 then ' and more' else ' to ' || cast(to_employees as " ~ dbt.type_string() ~ ") end} "
        ~ "employees. "
        ~ "Both bounds are inclusive: change max_employees of one or min_employees of the other."
    ) }} as problem
from claimed_twice

union all

select
    {{ sentence(
        tested_name(model) ~ " (persona {persona}): from {since} on, companies of {from_employees}"
        ~ "{case when to_employees = from_employees then '' else ' to ' || cast(to_employees as " ~ dbt.type_string() ~ ") end} employees "
        ~ "belong to no persona, though smaller and larger ones do. Lower min_employees of {persona} to {from_employees}, "
        ~ "or raise max_employees of the persona below."
    ) }} as problem
from left_out

{% endtest %}
