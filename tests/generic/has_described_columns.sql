{#
    The relation has every column that its yml describes. For seeds: their files are edited by people, and what a seed lacks
    would otherwise show as an error of the database somewhere downstream.
#}
{% test has_described_columns(model) %}

{%- set missing = [] -%}
{%- if execute -%}
    {%- set present = adapter.get_columns_in_relation(model) | map(attribute="name") | map("lower") | list -%}
    {%- for node in graph.nodes.values() if node.name == tested_name(model) and node.resource_type in ("seed", "model") -%}
        {%- for column in node.columns if column | lower not in present -%}
            {%- do missing.append(column) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif -%}

{%- for column in missing %}
select
    {{ sentence(
        tested_name(model) ~ ": there is no column " ~ column ~ ". Add it to the first line, and its values to the others."
    ) }} as problem
{{ "union all" if not loop.last }}
{%- else %}
select cast(null as {{ dbt.type_string() }}) as problem
where 1 = 0
{%- endfor %}

{% endtest %}
