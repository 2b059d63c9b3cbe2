{#
    The versions of each key follow each other in time: each ends after it begins, none overlaps another, and between two of
    them nothing is left out. `valid_from` is the first day of a version, `valid_to` the first day on which it no longer holds.

    key: the columns that the versions share; an empty one counts as a value of its own.
    may_pause_where: a condition on rows of keys that may have a time without a version. A single day is no pause but
        the usual mistake (`valid_to` given as the last day), and is reported in any case.
#}
{% test valid_versions(model, key, may_pause_where="1 = 0") %}

{%- set version = row_named(model, key + ["valid_from"]) %}

with versions as (

    select
        {{ key | join(",\n        ") }},
        valid_from,
        valid_to,
        case when {{ may_pause_where }} then 1 else 0 end as may_pause,
        -- The first day that no earlier version covers: not only the one just before, which a longer one may outlive.
        max(coalesce(valid_to, cast('9999-12-31' as date))) over (
            partition by {{ key | join(", ") }}
            order by valid_from, valid_to
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from {{ model }}
    where valid_from is not null

)

select
    {{ sentence(
        version ~ "valid_to {valid_to} does not lie after valid_from {valid_from}. "
        ~ "valid_to is the first day on which the row no longer holds; leave it empty while the row holds."
    ) }} as problem
from versions
where valid_to <= valid_from

union all

select
    {{ sentence(
        version ~ "an earlier row for the same " ~ key | join(", ") ~ " still holds on {valid_from}. "
        ~ "End the earlier row with valid_to {valid_from} (the first day on which it no longer holds), or delete one of the two."
    ) }} as problem
from versions
where valid_from < covered_until

union all

select
    {{ sentence(
        version ~ "no row for the same " ~ key | join(", ") ~ " holds on {covered_until}, the day before. "
        ~ "valid_to is not the last day but the first day on which a row no longer holds: "
        ~ "set valid_to of the row before to {valid_from}."
    ) }} as problem
from versions
where {{ dbt.datediff("covered_until", "valid_from", "day") }} = 1

union all

select
    {{ sentence(
        version ~ "no row for the same " ~ key | join(", ") ~ " holds from {covered_until} until this one begins. "
        ~ "Set valid_to of the row before to {valid_from}, or add a row that says what held in between."
    ) }} as problem
from versions
where
    {{ dbt.datediff("covered_until", "valid_from", "day") }} > 1
    and may_pause = 0

{% endtest %}
