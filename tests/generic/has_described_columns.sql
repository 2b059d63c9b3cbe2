{#
    The relation has every column that its yml describes. For seeds: people edit their files, and what a file lacks would
    otherwise show as an error of the database, somewhere downstream.
#}
{% test has_described_columns(model) %}

{%- set described = [] -%}
{%- if execute -%}
    {%- for node in graph.nodes.values() if node.resource_type in ("seed", "model") and node.name == tested_name(model) -%}
        {%- do described.extend(node.columns.keys()) -%}
    {%- endfor -%}
    {%- if not described -%}
        {{ exceptions.raise_compiler_error("No column of " ~ tested_name(model) ~ " is described: write its yml first.") }}
    {%- endif -%}
{%- endif %}

with described as (

    {% for column in described or ["none"] -%}
    select '{{ column | lower }}' as column_name
    {{ "union all" if not loop.last }}
    {% endfor %}
),

present as (

    {{ column_names(model) }}

)

select
    {{ sentence(
        tested_name(model) ~ ": there is no column {described.column_name}. Add its name to the first line and its values to the others."
    ) }} as problem
from described
left join present
    on described.column_name = present.column_name
where present.column_name is null

{% endtest %}
