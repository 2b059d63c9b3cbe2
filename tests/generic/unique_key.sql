{#
    No two rows have one key, and no column of the key is empty. Empty counts as a value of its own where the key may hold one.

    columns: the key.
    may_be_empty: its columns that may be empty.
#}
{% test unique_key(model, columns, may_be_empty=[]) %}

select {{ sentence(row_named(model, columns) ~ "the key occurs {count(*)} times. Keep one row, or tell the rows apart.") }} as problem
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1
{%- for column in columns if column not in may_be_empty %}

union all

select {{ sentence(row_named(model, columns) ~ column ~ " is part of the key and empty. Fill it in.") }} as problem
from {{ model }}
where {{ column }} is null
{%- endfor %}

{% endtest %}
