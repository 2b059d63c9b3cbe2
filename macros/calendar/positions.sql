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
  column `position` (null where the instant is). A CTE `spans` must hold int_calendar__spans, which begins before every
  instant that is looked up. Found by calendar and UTC day: no sort, and no join on an inequality alone.
-#}
{% macro with_business_position(rows, instant, position) -%}
    select
        l.*,
        r.position + r.pace * {{ microseconds_between('r.starts_at', 'l.' ~ instant) }} as {{ position }}
    from {{ rows }} as l
    left join spans as r
        on
            l.calendar_id = r.calendar_id
            and cast(l.{{ instant }} as date) = r.utc_date
            and l.{{ instant }} >= r.starts_at
            and l.{{ instant }} < r.ends_at
{%- endmacro %}

{#-
  The same on the clock that column `clock` of the row names: `elapsed` or `business`.
-#}
{% macro with_rule_position(rows, instant, position) -%}
    select
        l.*,
        case
            when l.clock = 'elapsed' then {{ elapsed_position('l.' ~ instant) }}
            else r.position + r.pace * {{ microseconds_between('r.starts_at', 'l.' ~ instant) }}
        end as {{ position }}
    from {{ rows }} as l
    left join spans as r
        on
            case when l.clock = 'business' then l.calendar_id end = r.calendar_id
            and cast(l.{{ instant }} as date) = r.utc_date
            and l.{{ instant }} >= r.starts_at
            and l.{{ instant }} < r.ends_at
{%- endmacro %}

{#-
  Every row of CTE `rows`, with the earliest instant at which its calendar's position is column `position` as column
  `instant`: it falls on a closing time rather than on the next opening, hence the strict lookup. A CTE
  `windows` must hold int_calendar__windows.
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
