{#
    The days on which a policy changes, as a query with one column `changed_on`: between two of them it stays as it is.
    `valid_from` is the first day of a version, `valid_to` the first day on which it no longer holds.
#}
{% macro policy_change_days(relation) -%}
    select valid_from as changed_on from {{ relation }} where valid_from is not null
    union distinct
    select valid_to as changed_on from {{ relation }} where valid_to is not null
{%- endmacro %}
