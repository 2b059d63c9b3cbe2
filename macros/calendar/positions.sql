{#-
  Positions turn time arithmetic into subtraction: the microseconds that a clock has run until an instant.
  On the `elapsed` clock that is the time since 1970; on the `business` clock it is the open time of a
  calendar since the origin of int_calendar__windows.
-#}
{% macro elapsed_position(instant) -%}
    {{ microseconds_between("cast('1970-01-01 00:00:00' as timestamp)", instant) }}
{%- endmacro %}

{#-
  Every row of CTE `rows`, with the position of column `instant` on the business clock of its `calendar_id` as
  column `position` (null where the instant is). A CTE `windows` must hold int_calendar__windows, which begins
  before every instant that is looked up.
-#}
{% macro with_business_position(rows, instant, position) -%}
    {%- set into_the_window = microseconds_between('r.opens_at', 'l.' ~ instant) -%}
    {{ asof_join(
        rows, 'windows', 'calendar_id', instant, 'opens_at',
        {position: 'r.open_microseconds_before + least(' ~ into_the_window ~ ', r.open_seconds * 1000000)'}
    ) }}
{%- endmacro %}

{#-
  Every row of CTE `rows`, with the earliest instant at which its calendar's position is column `position` as column
  `instant`: it falls on a closing time rather than on the next opening, hence the strict lookup.
-#}
{% macro with_business_instant(rows, position, instant) -%}
    {{ asof_join(
        rows, 'windows', 'calendar_id', position, 'open_microseconds_before',
        {instant: add_microseconds('r.opens_at', 'l.' ~ position ~ ' - r.open_microseconds_before')},
        strict=true
    ) }}
{%- endmacro %}

{#- Positions are whole microseconds; a minute of them, as a floating number so that no engine divides integers. -#}
{% macro microseconds_a_minute() -%}
    cast(60000000 as {{ type_double() }})
{%- endmacro %}
