{#
    The column is nowhere empty.

    key: the columns that name a row.
#}
{% test filled_in(model, column_name, key) %}
{%- set column_name = column_named(column_name) %}

select {{ sentence(row_named(model, key) ~ column_name ~ " is empty. Fill it in.") }} as problem
from {{ model }}
where {{ column_name }} is null

{% endtest %}
