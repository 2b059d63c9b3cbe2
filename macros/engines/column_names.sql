{# The columns that a built relation has, as a query with one column `column_name` in lower case. #}
{% macro column_names(relation) -%}
    {{ return(adapter.dispatch("column_names", "lead_sla")(relation)) }}
{%- endmacro %}


{# An engine without an information schema (Spark) gets its macro here. #}
{% macro default__column_names(relation) -%}
    select lower(column_name) as column_name
    from information_schema.columns
    where
        lower(table_catalog) = '{{ relation.database | lower }}'
        and lower(table_schema) = '{{ relation.schema | lower }}'
        and lower(table_name) = '{{ relation.identifier | lower }}'
{%- endmacro %}


{# Spark has no information schema: what it describes, written down. #}
{% macro spark__column_names(relation) -%}
    {%- set names = adapter.get_columns_in_relation(relation) | map(attribute="name") | map("lower") | list if execute else [] -%}
    select explode(split('{{ names | join(" ") }}', ' ')) as column_name
{%- endmacro %}
