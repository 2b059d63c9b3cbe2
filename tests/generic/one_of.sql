{#
    The column holds nothing but these words. Empty passes: see filled_in.

    words: the accepted values.
    key: the columns that name a row.
#}
{% test one_of(model, column_name, words, key) %}

select
    {{ sentence(
        row_named(model, key) ~ column_name ~ " is '{" ~ column_name ~ "}'. Use one of: " ~ words | join(", ") ~ "."
    ) }} as problem
from {{ model }}
where {{ column_name }} not in {{ text_list(words) }}

{% endtest %}
