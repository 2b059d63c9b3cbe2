{#- Schemas are named by the contract (`policy`, `staging`, `marts`...), without the target's own schema before them. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
