{#
    What the columns name exists elsewhere. Rows with an empty one among them name nothing, and pass.

    columns: the referring columns.
    to, to_columns: where, and which columns there, in the same order. Without to_columns: columns of the same names.
    or_one_of: words that need not exist there (for a single column).
    key: the columns that name a row.
    hint: what to do, in a sentence.
#}
{% test refers_to(model, columns, to, key, hint, to_columns=none, or_one_of=[]) %}

{%- set to_columns = to_columns or columns -%}
{%- set values, matches = [], [] -%}
{%- for name in columns -%}
    {%- set column = column_named(name) -%}
    {%- do values.append(column ~ " '{" ~ column ~ "}'") -%}
    {%- do matches.append("known." ~ column_named(to_columns[loop.index0]) ~ " = referring." ~ column) -%}
{%- endfor %}

select
    {{ sentence(
        row_named(model, key) ~ values | join(" with ") ~ " is not in " ~ to.identifier ~ ". " ~ hint
    ) }} as problem
from {{ model }} as referring
where
    {%- for column in columns %}
    {{ "and " if not loop.first }}referring.{{ column_named(column) }} is not null
    {%- endfor %}
    {%- if or_one_of %}
    and referring.{{ column_named(columns[0]) }} not in {{ text_list(or_one_of) }}
    {%- endif %}
    and not exists (
        select 1
        from {{ to }} as known
        where {{ matches | join(" and ") }}
    )

{% endtest %}
