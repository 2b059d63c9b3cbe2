{#- A column by its name, quoted on an engine that reserves the word. -#}
{% macro column_named(name) -%}
    {{ return(adapter.dispatch('column_named', 'lead_sla')(name)) }}
{%- endmacro %}

{% macro default__column_named(name) -%}
    {{- name -}}
{%- endmacro %}
