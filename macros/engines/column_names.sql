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
