{#
    The number lies within bounds. Empty passes: see filled_in.

    at_least, more_than, at_most: the bounds, each of them optional.
    key: the columns that name a row.
#}
{% test in_range(model, column_name, key, at_least=none, more_than=none, at_most=none) %}

{%- set bounds, outside = [], [] -%}
{%- if at_least is not none -%}
    {%- do bounds.append("at least " ~ at_least) -%}
    {%- do outside.append(column_name ~ " < " ~ at_least) -%}
{%- endif -%}
{%- if more_than is not none -%}
    {%- do bounds.append("more than " ~ more_than) -%}
    {%- do outside.append(column_name ~ " <= " ~ more_than) -%}
{%- endif -%}
{%- if at_most is not none -%}
    {%- do bounds.append("at most " ~ at_most) -%}
    {%- do outside.append(column_name ~ " > " ~ at_most) -%}
{%- endif -%}
{%- if not bounds -%}
    {{ exceptions.raise_compiler_error("The test in_range of " ~ column_name ~ " needs a bound: at_least, more_than or at_most.") }}
{%- endif %}

select
    {{ sentence(
        row_named(model, key) ~ column_name ~ " is {" ~ column_name ~ "}. It must be " ~ bounds | join(" and ") ~ "."
    ) }} as problem
from {{ model }}
where {{ outside | join(" or ") }}

{% endtest %}
