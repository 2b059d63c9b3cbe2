{#- Where the positions of all business clocks begin: any fixed instant will do; windows before it count down. -#}
{% macro calendar_origin() -%}
    '2020-01-01 00:00:00'
{%- endmacro %}

{#- Minutes since midnight of an 'HH:MM' text ('24:00' closes at midnight). -#}
{% macro minutes_of_day(clock_time) -%}
    (
        cast({{ dbt.split_part(clock_time, "':'", 1) }} as integer) * 60
        + cast({{ dbt.split_part(clock_time, "':'", 2) }} as integer)
    )
{%- endmacro %}

{#- 1 = Monday ... 7 = Sunday, counted from a Monday so that no engine's own numbering matters. -#}
{% macro iso_weekday(day) -%}
    (mod(mod({{ dbt.datediff("cast('1900-01-01' as date)", day, 'day') }}, 7) + 7, 7) + 1)
{%- endmacro %}

{#- The UTC instant at which a span of `utc_offsets` first shows a local time of `hours`, or the span's begin if it starts later. -#}
{% macro first_instant_of(minute) -%}
    greatest(utc_offsets.starts_at, {{ utc_instant_of(minute) }})
{%- endmacro %}

{#-
  Whether a span of `utc_offsets` is one that ever shows a local time of `hours`, or a later one, and may be the first: the span that
  holds the second midnight after the day has shown it in every zone. Without that bound each day meets all later spans: a mistyped
  year (0026) makes two million rows of `hours`, with hundreds of spans each.
-#}
{% macro reaches(minute) -%}
    hours.time_zone = utc_offsets.time_zone
    and (utc_offsets.ends_at is null or {{ utc_instant_of(minute) }} < utc_offsets.ends_at)
    and utc_offsets.starts_at <= {{ dbt.dateadd('day', '2', 'cast(hours.date_day as timestamp)') }}
{%- endmacro %}

{% macro utc_instant_of(minute) -%}
    {{ dbt.dateadd('second', minute ~ ' * 60 - utc_offsets.offset_seconds', 'cast(hours.date_day as timestamp)') }}
{%- endmacro %}

{#-
  The UTC instant at which a day of the reporting time zone begins, as an aggregate over that zone's spans `utc_offsets`, which
  are joined to the day's row. (A subquery that names the day would be shorter; few engines aggregate over both of its sides.)
-#}
{% macro start_of_day(day) -%}
    {%- set instant = dbt.dateadd('second', '-1 * utc_offsets.offset_seconds', 'cast(' ~ day ~ ' as timestamp)') -%}
    min(case
        when utc_offsets.ends_at is null or {{ instant }} < utc_offsets.ends_at
            then greatest(utc_offsets.starts_at, {{ instant }})
    end)
{%- endmacro %}
