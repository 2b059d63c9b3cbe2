{# The time zones that the engine knows, as a query with one column `time_zone`: the names of the IANA data base. #}
{% macro time_zone_names() -%}
    {{ return(adapter.dispatch("time_zone_names", "lead_sla")()) }}
{%- endmacro %}


{# Postgres' own view; an engine without one gets its macro here. #}
{% macro default__time_zone_names() -%}
    select name as time_zone from pg_timezone_names
{%- endmacro %}


{% macro duckdb__time_zone_names() -%}
    select name as time_zone from pg_timezone_names()
{%- endmacro %}


{# Spark has no list of them: those of dbt's own pytz. #}
{% macro spark__time_zone_names() -%}
    select explode(split('{{ modules.pytz.all_timezones | join(" ") }}', ' ')) as time_zone
{%- endmacro %}
