{#
    A value that others rely on occurs in the column.

    value: the text.
    hint: who relies on it and what to do, in a sentence.
#}
{% test includes(model, column_name, value, hint) %}

select {{ sentence(tested_name(model) ~ ": no row has " ~ column_name ~ " '" ~ value ~ "'. " ~ hint) }} as problem
from (select count(*) as found from {{ model }} where {{ column_name }} = '{{ dbt.escape_single_quotes(value) }}') as counted
where found = 0

{% endtest %}
