{#
    The column has one value within each group.

    within: the columns that make a group.
#}
{% test constant_within(model, column_name, within) %}

select
    {{ sentence(
        row_named(model, within)
        ~ column_name ~ " differs from row to row ({min(" ~ column_name ~ ")}, {max(" ~ column_name ~ ")}). Give all of them one value."
    ) }} as problem
from {{ model }}
group by {{ within | join(", ") }}
having count(distinct {{ column_name }}) > 1

{% endtest %}
