{#- A stable text key from columns that may be null: the hash of their texts. -#}
{% macro surrogate_key(columns) -%}
    {{ dbt.hash(key_text(columns)) }}
{%- endmacro %}

{#- The texts of columns in one, kept apart by a character that no id holds. -#}
{% macro key_text(columns) -%}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append("coalesce(cast(" ~ column ~ " as " ~ dbt.type_string() ~ "), '')") -%}
        {%- if not loop.last -%}{%- do texts.append("'\x1f'") -%}{%- endif -%}
    {%- endfor -%}
    {{ dbt.concat(texts) }}
{%- endmacro %}
