{#-
  An as-of lookup: every row of CTE `left` once, with the row of CTE `right` of the same `key` whose
  `right_instant` is the last at or before (`strict`: before) its `left_instant`.

  left, right      names of CTEs
  key              a column that both have
  left_instant, right_instant  columns to compare; `right_instant` is unique within a key
  columns          a mapping: new column -> expression over `l` (left) and `r` (right, all null without a match)
  strict           true: `right_instant` must lie before `left_instant`
-#}
{% macro asof_join(left, right, key, left_instant, right_instant, columns, strict=false) -%}
    {{ return(adapter.dispatch('asof_join', 'lead_sla')(left, right, key, left_instant, right_instant, columns, strict)) }}
{%- endmacro %}

{#-
  The portable way: sort both sides into one line and carry the last right instant forward. One sort, no range join.
  Right rows stand before left rows of the same instant, or after them where the lookup is strict.
-#}
{% macro default__asof_join(left, right, key, left_instant, right_instant, columns, strict) -%}
    select
        l.*
        {%- for name, expression in columns.items() %},
        {{ expression }} as {{ name }}
        {%- endfor %}
    from {{ left }} as l
    left join (
        select distinct
            line.lookup_key,
            line.lookup_instant,
            line.found_instant
        from (
            select
                points.lookup_key,
                points.lookup_instant,
                points.is_right,
                max(case when points.is_right = 1 then points.lookup_instant end) over (
                    partition by points.lookup_key
                    order by points.lookup_instant, points.is_right {{ 'asc' if strict else 'desc' }}
                    rows between unbounded preceding and current row
                ) as found_instant
            from (
                select distinct {{ key }} as lookup_key, {{ right_instant }} as lookup_instant, 1 as is_right from {{ right }}
                union all
                select distinct {{ key }} as lookup_key, {{ left_instant }} as lookup_instant, 0 as is_right from {{ left }}
            ) as points
            where points.lookup_instant is not null
        ) as line
        where line.is_right = 0
    ) as found
        on l.{{ key }} = found.lookup_key and l.{{ left_instant }} = found.lookup_instant
    left join {{ right }} as r
        on found.lookup_key = r.{{ key }} and found.found_instant = r.{{ right_instant }}
{%- endmacro %}

{% macro duckdb__asof_join(left, right, key, left_instant, right_instant, columns, strict) -%}
    select
        l.*
        {%- for name, expression in columns.items() %},
        {{ expression }} as {{ name }}
        {%- endfor %}
    from {{ left }} as l
    asof left join {{ right }} as r
        on l.{{ key }} = r.{{ key }} and l.{{ left_instant }} {{ '>' if strict else '>=' }} r.{{ right_instant }}
{%- endmacro %}

{#-
  Rows of `right` hold from their instant to the next one of their key. Laid out by day, they are found by an equality, which
  is one hash join: `right` is small (the windows of some calendars) and goes to every executor, `left` stays where it is.
  A sort by key, as in the default, would bring all rows of a calendar to one executor.
  What lies after the last day of `right` is looked up at that day; instants may be positions (microseconds), too.
-#}
{% macro spark__asof_join(left, right, key, left_instant, right_instant, columns, strict) -%}
    select /*+ broadcast(last_days, r) */
        l.*
        {%- for name, expression in columns.items() %},
        {{ expression }} as {{ name }}
        {%- endfor %}
    from {{ left }} as l
    cross join (
        select max({{ spark_day_of(right_instant) }}) as last_day from {{ right }}
    ) as last_days
    left join (
        select /*+ broadcast(last_days) */
            spans.*,
            explode(sequence(
                {{ spark_day_of(right_instant) }}, coalesce({{ spark_day_of('asof_next') }}, last_days.last_day)
            )) as asof_day
        from (
            select
                {{ right }}.*,
                lead({{ right_instant }}) over (partition by {{ key }} order by {{ right_instant }}) as asof_next
            from {{ right }}
        ) as spans
        cross join (
            select max({{ spark_day_of(right_instant) }}) as last_day from {{ right }}
        ) as last_days
    ) as r
        on
            l.{{ key }} = r.{{ key }}
            and least({{ spark_day_of('l.' ~ left_instant) }}, last_days.last_day) = r.asof_day
            and l.{{ left_instant }} {{ '>' if strict else '>=' }} r.{{ right_instant }}
            and (r.asof_next is null or l.{{ left_instant }} {{ '<=' if strict else '<' }} r.asof_next)
{%- endmacro %}

{#- The number of the day of an instant, or of a position, which is a number of microseconds. -#}
{% macro spark_day_of(instant) -%}
    cast(floor(cast({{ instant }} as double) / case typeof({{ instant }}) when 'timestamp' then 86400 else 86400000000 end) as bigint)
{%- endmacro %}
