{#
    No two shifts (`opens_at` to `closes_at`) of one group share time; one may begin when the other ends.

    within: the columns that make a group.
#}
{% test shifts_do_not_overlap(model, within) %}

with shifts as (

    select
        {{ within | join(",\n        ") }},
        opens_at,
        closes_at,
        max({{ minutes_after_midnight("closes_at") }}) over (
            partition by {{ within | join(", ") }}
            order by {{ minutes_after_midnight("opens_at") }}, {{ minutes_after_midnight("closes_at") }}
            rows between unbounded preceding and 1 preceding
        ) as open_until,
        {{ minutes_after_midnight("opens_at") }} as opens_minute
    from {{ model }}
    where {{ minutes_after_midnight("opens_at") }} is not null

)

select
    {{ sentence(
        row_named(model, within) ~ "the shift from {opens_at} to {closes_at} begins before an earlier one has ended. "
        ~ "Shorten one of them, or join them to one."
    ) }} as problem
from shifts
where opens_minute < open_until

{% endtest %}
