{#
    No two rows have one key, and no column of the key is empty. Empty counts as a value of its own where the key may hold one.

    columns: the key.
    may_be_empty: its columns that may be empty.
#}
{% test unique_key(model, columns, may_be_empty=[]) %}
{%- set key = [] -%}
{%- for name in columns -%}
    {%- do key.append(column_named(name)) -%}
{%- endfor %}

select {{ sentence(row_named(model, key) ~ "the key occurs {count(*)} times. Keep one row, or tell the rows apart.") }} as problem
from {{ model }}
group by {{ key | join(", ") }}
having count(*) > 1
{%- for name in key if name not in may_be_empty %}

union all

select {{ sentence(row_named(model, key) ~ name ~ " is part of the key and empty. Fill it in.") }} as problem
from {{ model }}
where {{ name }} is null
{%- endfor %}

{% endtest %}
