{#- What an engine needs to know about a table that was just filled, before others are joined with it; a post-hook. -#}
{% macro take_statistics(relation) -%}
    {{ return(adapter.dispatch('take_statistics', 'lead_sla')(relation)) }}
{%- endmacro %}

{% macro default__take_statistics(relation) -%}
{%- endmacro %}

{#- Postgres takes them by itself, but a minute later. -#}
{% macro postgres__take_statistics(relation) -%}
    {%- if model.config.materialized != 'view' -%}
        analyze {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- DuckDB needs none of the `indexes` in the models' configurations: it skips what a query does not ask for by itself. -#}
{% macro duckdb__create_indexes(relation) -%}
{%- endmacro %}
