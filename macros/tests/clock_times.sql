{#
    Minutes after midnight of a text `HH:MM`, null for any other text. 24:00 is 1440, the end of the day.
    Without a regular expression, which every engine spells in its own way.
#}
{% macro minutes_after_midnight(column) -%}
    case
        when {{ column }} = '24:00' then 1440
        when
            length({{ column }}) = 5
            and substring({{ column }}, 1, 1) in ('0', '1', '2')
            and substring({{ column }}, 2, 1) in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
            and substring({{ column }}, 1, 2) < '24'
            and substring({{ column }}, 3, 1) = ':'
            and substring({{ column }}, 4, 1) in ('0', '1', '2', '3', '4', '5')
            and substring({{ column }}, 5, 1) in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
            then
                60 * cast(substring({{ column }}, 1, 2) as {{ dbt.type_int() }})
                + cast(substring({{ column }}, 4, 2) as {{ dbt.type_int() }})
    end
{%- endmacro %}
