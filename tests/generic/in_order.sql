{#
    The columns, instants or days, follow each other in this order or coincide, wherever two of them are present.

    columns: from the earliest to the latest.
    key: the columns that name a row.
#}
{% test in_order(model, columns, key) %}

{%- for earlier in columns -%}
{%- set outer = loop -%}
{%- for later in columns[loop.index:] %}
{{ "union all\n" if not (outer.first and loop.first) }}
select
    {{ sentence(
        row_named(model, key) ~ earlier ~ " {" ~ earlier ~ "} lies after " ~ later ~ " {" ~ later ~ "}. Correct one of them."
    ) }} as problem
from {{ model }}
where {{ earlier }} > {{ later }}
{% endfor -%}
{%- endfor -%}

{% endtest %}
