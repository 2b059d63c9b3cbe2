{#- A 64-bit floating number: dbt's own `type_float` is one of 32 bits on some engines. -#}
{% macro type_double() -%}
    {{ return(adapter.dispatch('type_double', 'lead_sla')()) }}
{%- endmacro %}

{% macro default__type_double() -%}
    double precision
{%- endmacro %}

{% macro duckdb__type_double() -%}
    double
{%- endmacro %}

{% macro spark__type_double() -%}
    double
{%- endmacro %}
