{#
    The column names time zones that the engine knows, as the IANA data base spells them.

    key: the columns that name a row.
#}
{% test known_time_zone(model, column_name, key) %}

select distinct
    {{ sentence(
        row_named(model, key) ~ column_name ~ " '{" ~ column_name ~ "}' is not a known time zone. "
        ~ "Use a name of the IANA list, such as America/New_York."
    ) }} as problem
from {{ model }}
where
    {{ column_name }} is not null
    and {{ column_name }} not in (
        select known.time_zone
        from ({{ time_zone_names() }}) as known
        where known.time_zone is not null
    )

{% endtest %}
