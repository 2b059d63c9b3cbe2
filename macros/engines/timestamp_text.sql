{#- An instant as `YYYY-MM-DD HH:MM:SS`, and its fraction of a second without zeros at the end: what keys are hashed from. -#}
{% macro timestamp_text(instant) -%}
    {{ return(adapter.dispatch('timestamp_text', 'lead_sla')(instant)) }}
{%- endmacro %}

{% macro default__timestamp_text(instant) -%}
    cast({{ instant }} as {{ dbt.type_string() }})
{%- endmacro %}

{#- A cast would follow the session's DateStyle. -#}
{% macro postgres__timestamp_text(instant) -%}
    rtrim(rtrim(to_char({{ instant }}, 'YYYY-MM-DD HH24:MI:SS.US'), '0'), '.')
{%- endmacro %}
