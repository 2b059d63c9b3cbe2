{#- The instant in a column of a model of one row, as the model was before this run: a query of one row, for the model itself in an increment. -#}
{% macro as_it_was(column) -%}
    {{ return(adapter.dispatch('as_it_was', 'lead_sla')(column)) }}
{%- endmacro %}

{% macro default__as_it_was(column) -%}
    select {{ column }} from {{ this }}
{%- endmacro %}

{#- Spark takes a table down before it makes it anew, so the value is read beforehand. -#}
{% macro spark__as_it_was(column) -%}
    {%- if is_real_run() -%}
        {%- set value = run_query('select ' ~ timestamp_text(column) ~ ' from ' ~ this).rows[0][0] -%}
        select cast({{ dbt.string_literal(value) }} as timestamp) as {{ column }}
    {%- else -%}
        {{ default__as_it_was(column) }}
    {%- endif -%}
{%- endmacro %}
