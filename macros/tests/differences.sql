{#
    Reconciles two CTEs both ways and null-safe: a row for every key whose measures differ, a key that only one side has
    included. Adding up both sides in one pass needs no join, so no null key is lost in one.

        key             the columns that both sides share; empty counts as a value of its own
        measures        the numbers to compare; a missing or empty one counts as 0

    Gives the key, and each measure as `expected_<measure>` and `found_<measure>`.
#}
{% macro differences(expected, found, key, measures) -%}
    select
        {{ key | join(",\n        ") }}
        {%- for measure in measures %},
        coalesce(sum(case when is_expected then {{ measure }} end), 0) as expected_{{ measure }},
        coalesce(sum(case when not is_expected then {{ measure }} end), 0) as found_{{ measure }}
        {%- endfor %}
    from (
        {%- for side in [expected, found] %}
        select
            {{ (key + measures) | join(",\n            ") }},
            {{ "true" if loop.first else "false" }} as is_expected
        from {{ side }}
        {{ "union all" if loop.first }}
        {%- endfor %}
    ) as both_sides
    group by {{ key | join(", ") }}
    having
        {%- for measure in measures %}
        {{ "or " if not loop.first -}}
        coalesce(sum(case when is_expected then {{ measure }} end), 0)
        <> coalesce(sum(case when not is_expected then {{ measure }} end), 0)
        {%- endfor %}
{%- endmacro %}


{# The measures of `differences` as a part of a sentence's template: `met 3 where 4 are expected, breached 1 where 1 is expected`. #}
{% macro found_and_expected(measures) -%}
    {%- for measure in measures -%}
        {{ measure }} {{ "{found_" ~ measure ~ "}" }} where {{ "{expected_" ~ measure ~ "}" }} is expected{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# Up to two of the ids of a group, as a SQL expression: enough to look them up, and one pass on every engine. #}
{% macro examples(id) -%}
    min({{ id }}) || case when min({{ id }}) < max({{ id }}) then ' and ' || max({{ id }}) else '' end
{%- endmacro %}
