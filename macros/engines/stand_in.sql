{#-
  What stands in for an id where ids are only counted, or looked for: a number that is quicker to group and to find, on engines
  that have a cheap one. Two ids may share it, so whoever finds it twice has to look at the ids themselves, or not to mind.
-#}
{% macro stand_in(id) -%}
    {{ return(adapter.dispatch('stand_in', 'lead_sla')(id)) }}
{%- endmacro %}

{% macro default__stand_in(id) -%}
    {{ id }}
{%- endmacro %}

{% macro duckdb__stand_in(id) -%}
    hash({{ id }})
{%- endmacro %}
