{#
    A condition holds in every row; a condition that is neither true nor false does not hold.

    condition: a SQL expression.
    otherwise: the sentence for a row in which it does not hold; {column} stands for a value of the row.
    key: the columns that name a row.
#}
{% test each_row_satisfies(model, condition, otherwise, key) %}

select {{ sentence(row_named(model, key) ~ otherwise) }} as problem
from {{ model }}
where case when {{ condition }} then 0 else 1 end = 1

{% endtest %}
