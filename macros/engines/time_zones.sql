{#- The wall-clock time in a time zone (an SQL expression) at a UTC instant: always well defined, unlike its inverse. -#}
{% macro utc_to_local(instant, time_zone) -%}
    {{ return(adapter.dispatch('utc_to_local', 'lead_sla')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__utc_to_local(instant, time_zone) -%}
    (({{ instant }}) at time zone 'UTC' at time zone {{ time_zone }})
{%- endmacro %}

{% macro duckdb__utc_to_local(instant, time_zone) -%}
    timezone({{ time_zone }}, timezone('UTC', {{ instant }}))
{%- endmacro %}

{#- Spark's timestamps are instants; its session is one of UTC (profiles.yml), so their wall-clock time is that of UTC. -#}
{% macro spark__utc_to_local(instant, time_zone) -%}
    from_utc_timestamp({{ instant }}, {{ time_zone }})
{%- endmacro %}
