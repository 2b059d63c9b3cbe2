{#- An instant moved by a number of microseconds, which may be more than a 32-bit integer holds. -#}
{% macro add_microseconds(instant, microseconds) -%}
    {{ return(adapter.dispatch('add_microseconds', 'lead_sla')(instant, microseconds)) }}
{%- endmacro %}

{% macro default__add_microseconds(instant, microseconds) -%}
    {{ dbt.dateadd('microsecond', microseconds, instant) }}
{%- endmacro %}

{#- dbt-duckdb multiplies an interval, whose factor is a 32-bit integer. -#}
{% macro duckdb__add_microseconds(instant, microseconds) -%}
    ({{ instant }} + to_microseconds({{ microseconds }}))
{%- endmacro %}
