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

{#- The whole microseconds from one instant to another, negative where the second is the earlier one: a 64-bit integer. -#}
{% macro microseconds_between(first, second) -%}
    {{ return(adapter.dispatch('microseconds_between', 'lead_sla')(first, second)) }}
{%- endmacro %}

{% macro default__microseconds_between(first, second) -%}
    {{ dbt.datediff(first, second, 'microsecond') }}
{%- endmacro %}

{#- dbt-postgres adds up parts of the instants as floating numbers, which are not exact over some centuries; `extract` is. -#}
{% macro postgres__microseconds_between(first, second) -%}
    cast(extract(epoch from ({{ second }}) - ({{ first }})) * 1000000 as bigint)
{%- endmacro %}

{#- dbt-spark counts in whole seconds. -#}
{% macro spark__add_microseconds(instant, microseconds) -%}
    timestamp_micros(unix_micros({{ instant }}) + ({{ microseconds }}))
{%- endmacro %}

{% macro spark__microseconds_between(first, second) -%}
    (unix_micros({{ second }}) - unix_micros({{ first }}))
{%- endmacro %}
