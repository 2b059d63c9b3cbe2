{#- The day of the reporting time zone on which a UTC instant falls. -#}
{% macro local_date(instant) -%}
    {%- if var('reporting_time_zone') == 'UTC' -%}
        cast({{ instant }} as date)
    {%- else -%}
        cast({{ utc_to_local(instant, "'" ~ var('reporting_time_zone') ~ "'") }} as date)
    {%- endif -%}
{%- endmacro %}

{#- True where a validity row (`valid_from` inclusive, `valid_to` exclusive, null = still valid) is in force on a day. -#}
{% macro in_force(validity, day) -%}
    {{ validity }}.valid_from <= {{ day }}
    and ({{ validity }}.valid_to is null or {{ validity }}.valid_to > {{ day }})
{%- endmacro %}

{#- True where a span of a timeline (`valid_from` null = since ever, `valid_to` null = still) holds an instant. -#}
{% macro holds_at(span, instant) -%}
    ({{ span }}.valid_from is null or {{ span }}.valid_from <= {{ instant }})
    and ({{ span }}.valid_to is null or {{ span }}.valid_to > {{ instant }})
{%- endmacro %}
