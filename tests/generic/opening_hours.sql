{#
    `opens_at` and `closes_at` are times as HH:MM (24:00 closes at midnight), both or neither given, and the first lies before
    the second.

    key: the columns that name a row.
#}
{% test opening_hours(model, key) %}

with hours as (

    select
        {{ (key + ["opens_at", "closes_at"]) | unique | join(",\n        ") }},
        case when opens_at = '24:00' then null else {{ minutes_after_midnight("opens_at") }} end as opens_minute,
        {{ minutes_after_midnight("closes_at") }} as closes_minute
    from {{ model }}

)

select
    {{ sentence(row_named(model, key) ~ "opens_at is '{opens_at}'. Write it as HH:MM, from 00:00 to 23:59.") }} as problem
from hours
where opens_at is not null and opens_minute is null

union all

select
    {{ sentence(row_named(model, key) ~ "closes_at is '{closes_at}'. Write it as HH:MM, from 00:01 to 24:00.") }} as problem
from hours
where closes_at is not null and closes_minute is null

union all

select
    {{ sentence(
        row_named(model, key) ~ "only {case when opens_at is null then 'closes_at' else 'opens_at' end} is given. "
        ~ "Give both opens_at and closes_at."
    ) }} as problem
from hours
where (opens_at is null and closes_at is not null) or (opens_at is not null and closes_at is null)

union all

select
    {{ sentence(
        row_named(model, key) ~ "closes_at {closes_at} does not lie after opens_at {opens_at}. "
        ~ "A shift ends on the day on which it begins: split one that passes midnight at 24:00."
    ) }} as problem
from hours
where closes_minute <= opens_minute

{% endtest %}
