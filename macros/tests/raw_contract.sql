{#
    The columns of a raw table as the raw contract (models/staging/crm/_crm__sources.yml) lists them.

        required        only those that may not be empty
        data_type       only those of this type
        leave_out       names that are left out
#}
{% macro raw_columns_of(table, required=false, data_type=none, leave_out=[]) -%}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() if source.source_name == "crm" and source.name == table -%}
            {%- for column in source.columns.values() if column.name not in leave_out -%}
                {%- if (not required or not raw_is_optional(column)) and data_type in (none, column.data_type) -%}
                    {%- do names.append(column.name) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {#- Columns are known when the project has been parsed; until then any one will do. -#}
    {{ return(names or ["_loaded_at"]) }}
{%- endmacro %}


{#
    Versions of a raw table, visible at `as_of`, that are equal in every ordering column and different in content, as sentences.
    Looks at content only where the key occurs more than once, which is seldom: a large table is not read for nothing.

        key             the id and the ordering columns
#}
{% macro conflicting_versions(table, key) -%}
    {%- set content = raw_columns_of(table, leave_out=key) -%}
    {%- set named = [] -%}
    {%- for column in key -%}
        {%- do named.append(column ~ " {" ~ column ~ "}") -%}
    {%- endfor -%}
    select
        {{ sentence(
            "raw " ~ table ~ ": {version_count} versions with " ~ named | join(", ") ~ " differ in{differing}. Which of them counts is left to chance: "
            ~ "take back all but one, or land the right one again, with a later _loaded_at."
        ) }} as problem
    from (
        select
            {%- for column in key %}
            versions.{{ column }},
            {%- endfor %}
            count(*) as version_count,
            {%- for column in content %}
            {{ "|| " if not loop.first -}}
            case
                when
                    count(versions.{{ column }}) not in (0, count(*))
                    or min(cast(versions.{{ column }} as {{ dbt.type_string() }}))
                    <> max(cast(versions.{{ column }} as {{ dbt.type_string() }}))
                    then ' {{ column }}'
                else ''
            end
            {%- endfor %} as differing
        from {{ source("crm", table) }} as versions
        inner join (
            select {{ key | join(", ") }}
            from {{ source("crm", table) }}
            where _loaded_at <= {{ as_of() }}
            group by {{ key | join(", ") }}
            having count(*) > 1
        ) as repeated
            on
                {%- for column in key %}
                {{ "and " if not loop.first }}versions.{{ column }} = repeated.{{ column }}
                {%- endfor %}
        group by
            {%- for column in key %}
            versions.{{ column }}{{ "," if not loop.last }}
            {%- endfor %}
    ) as compared
    where differing <> ''
{%- endmacro %}


{# Columns of a raw table that the contract does not call optional, and that are empty in some row, as sentences. Reads the table once. #}
{% macro empty_required_columns(table) -%}
    {%- set columns = raw_columns_of(table, required=true) -%}
    {%- set key = columns[0] -%}
    {%- set conditions = {} -%}
    {%- for column in columns -%}
        {%- do conditions.update({column: column ~ " is null"}) -%}
    {%- endfor -%}
    select
        {{ sentence(
            "raw " ~ table ~ ": column {column_name} is empty in {row_count} rows (such as one with " ~ key ~ " {example}). "
            ~ "Fill it in where the rows come from, and land them again."
        ) }} as problem
    from ({{ counted_by_column(source("crm", table), key, conditions) }}) as found
    where row_count > 0
{%- endmacro %}


{# Columns of a raw table whose instants lie after `as_of` in rows that were loaded by then, as sentences. Reads the table once. #}
{% macro instants_ahead(table, key) -%}
    {%- set conditions = {} -%}
    {%- for column in raw_columns_of(table, data_type="timestamp", leave_out=["_loaded_at"]) -%}
        {%- do conditions.update({column: "_loaded_at <= " ~ as_of() ~ " and " ~ column ~ " > " ~ as_of()}) -%}
    {%- endfor -%}
    select
        {{ sentence(
            "raw " ~ table ~ ": {column_name} lies after as_of in {row_count} rows (such as one with " ~ key ~ " {example}). "
            ~ "What happens then stays hidden until then: correct the date, or the clock that set it."
        ) }} as problem
    from ({{ counted_by_column(source("crm", table), key, conditions) }}) as found
    where row_count > 0
{%- endmacro %}


{#
    One row per column (column_name, row_count, example): how many rows of a relation meet the column's condition, and the key
    of one of them. One pass, whatever the number of columns.

        conditions      a mapping: column -> SQL condition
#}
{% macro counted_by_column(relation, key, conditions) -%}
    select
        names.column_name,
        case names.column_name
            {%- for column in conditions %}
            when '{{ column }}' then counted.{{ column }}_count
            {%- endfor %}
        end as row_count,
        case names.column_name
            {%- for column in conditions %}
            when '{{ column }}' then counted.{{ column }}_example
            {%- endfor %}
        end as example
    from (
        select
            {%- for column, condition in conditions.items() %}
            count(case when {{ condition }} then 1 end) as {{ column }}_count,
            min(case when {{ condition }} then {{ key }} end) as {{ column }}_example{{ "," if not loop.last }}
            {%- endfor %}
        from {{ relation }}
    ) as counted
    cross join (
        {%- for column in conditions %}
        select '{{ column }}' as column_name
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as names
{%- endmacro %}
