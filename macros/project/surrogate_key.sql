{#- A stable text key from columns that may be null: the hash of their texts, kept apart by a character that no id holds. -#}
{% macro surrogate_key(columns) -%}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append("coalesce(cast(" ~ column ~ " as " ~ dbt.type_string() ~ "), '')") -%}
        {%- if not loop.last -%}{%- do texts.append("'\x1f'") -%}{%- endif -%}
    {%- endfor -%}
    {{ dbt.hash(dbt.concat(texts)) }}
{%- endmacro %}
