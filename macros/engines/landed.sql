{#-
  What an increment finds out about the raw tables, by their load time. Each table is seen in parts:

  note_what_landed   writes the parts of every raw table down, as the run finds them (increments.landed)
  what_is_gone       what an earlier run saw in them and this one does not see any more, as the end of a sentence; or empty
  prepare_new_rows   readies what `new_rows` reads
  has_nothing_landed whether nothing has landed since a run of the same `as_of`; false where an engine makes every model all the same
  new_rows           the rows of a raw table that have become visible since a run, as a query

  On most engines a table is one part, and its rows up to `as_of` are counted: rows that land late show in the count.
-#}
{% macro note_what_landed(number, as_of) -%}
    {{ return(adapter.dispatch('note_what_landed', 'lead_sla')(number, as_of)) }}
{%- endmacro %}

{% macro default__note_what_landed(number, as_of) -%}
    {%- set parts = [] -%}
    {%- for table in raw_tables() -%}
        {%- do parts.append(
            'select ' ~ number ~ ', ' ~ dbt.string_literal(table.name) ~ ", '', cast(count(*) as " ~ dbt.type_string() ~ '), max(_loaded_at)'
            ~ ' from raw.' ~ table.name ~ loaded_by(as_of)
        ) -%}
    {%- endfor -%}
    {%- do run_query(remember('landed', ['run_number', 'table_name', 'part', 'mark', 'newest_loaded_at'], parts | join(' union all '))) -%}
{%- endmacro %}

{% macro what_is_gone(since_run, since_as_of, number) -%}
    {{ return(adapter.dispatch('what_is_gone', 'lead_sla')(since_run, since_as_of, number)) }}
{%- endmacro %}

{% macro default__what_is_gone(since_run, since_as_of, number) -%}
    {%- for table in raw_tables() -%}
        {%- set there = run_query('select cast(count(*) as ' ~ dbt.type_string() ~ ') from raw.' ~ table.name ~ loaded_by(since_as_of)).rows[0][0] -%}
        {%- set seen = run_query(
            'select mark from increments.landed where run_number = ' ~ since_run ~ ' and table_name = ' ~ dbt.string_literal(table.name)
        ).rows -%}
        {%- if not seen or seen[0][0] != there -%}
            {{ return('raw.' ~ table.name ~ ' has ' ~ there ~ ' rows loaded by ' ~ since_as_of ~ ', and had ' ~ (seen[0][0] if seen else 'none') ~ ' then') }}
        {%- endif -%}
    {%- endfor -%}
    {{ return('') }}
{%- endmacro %}

{% macro prepare_new_rows(since_run, since_as_of, number) -%}
    {{ return(adapter.dispatch('prepare_new_rows', 'lead_sla')(since_run, since_as_of, number)) }}
{%- endmacro %}

{% macro default__prepare_new_rows(since_run, since_as_of, number) -%}
{%- endmacro %}

{% macro has_nothing_landed(since_run, number) -%}
    {{ return(adapter.dispatch('has_nothing_landed', 'lead_sla')(since_run, number)) }}
{%- endmacro %}

{% macro default__has_nothing_landed(since_run, number) -%}
    {{ return(false) }}
{%- endmacro %}

{% macro new_rows(table) -%}
    {{ return(adapter.dispatch('new_rows', 'lead_sla')(table)) }}
{%- endmacro %}

{% macro default__new_rows(table) -%}
    select * from {{ source('crm', table) }}
    where {{ has_just_passed('_loaded_at') }}
{%- endmacro %}

{% macro raw_tables() -%}
    {{ return(graph.sources.values() | selectattr('source_name', 'equalto', 'crm') | list) }}
{%- endmacro %}

{% macro loaded_by(as_of) -%}
    {{ return(' where _loaded_at <= cast(' ~ dbt.string_literal(as_of) ~ ' as timestamp)' if as_of else ' where false') }}
{%- endmacro %}

{#-
  DuckDB reads files: each is a part, marked by its size and the time of its last change. So a run looks into no file that an
  earlier one has read, unless it holds rows that were loaded after that run's `as_of`.
-#}
{% macro duckdb__note_what_landed(number, as_of) -%}
    {%- set folder = duckdb_raw_folder() -%}
    {%- set part = 'filename[' ~ (folder | length + 2) ~ ':]' -%}
    {%- for table in raw_tables() if duckdb_has_landed(folder, table) -%}
        {%- set files = duckdb_raw_files(folder, table) -%}
        {%- set is_this = ' run_number = ' ~ number ~ ' and table_name = ' ~ dbt.string_literal(table.name) -%}
        {%- do run_query(
            'insert into increments.landed select ' ~ number ~ ', ' ~ dbt.string_literal(table.name) ~ ', ' ~ part ~ ", size || ' bytes, ' || last_modified,"
            ~ ' (select max(seen.newest_loaded_at) from increments.landed as seen where seen.part = ' ~ part ~ " and seen.mark = size || ' bytes, ' || last_modified)"
            ~ ' from read_blob(' ~ files ~ ')'
        ) -%}
        {#- The newest load in each file that is seen for the first time. -#}
        {%- set unread = run_query('select part from increments.landed where newest_loaded_at is null and' ~ is_this).rows -%}
        {%- if unread -%}
            {%- if unread | length < 1000 -%}
                {%- set files = duckdb_file_list(folder, unread) -%}
            {%- endif -%}
            {%- do run_query(
                'update increments.landed set newest_loaded_at = loads.newest from ('
                ~ 'select ' ~ part ~ ' as part, max(_loaded_at) as newest from read_parquet(' ~ files ~ ', filename = true, hive_partitioning = false) group by 1'
                ~ ') as loads where landed.part = loads.part and' ~ is_this
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro duckdb__what_is_gone(since_run, since_as_of, number) -%}
    {%- set gone = run_query(
        'select seen.part from increments.landed as seen left join increments.landed as there'
        ~ ' on there.run_number = ' ~ number ~ ' and seen.table_name = there.table_name and seen.part = there.part and seen.mark = there.mark'
        ~ ' where seen.run_number = ' ~ since_run ~ ' and there.part is null order by seen.part'
    ).rows -%}
    {{ return('' if not gone else (gone | length) ~ ' raw files that the marts were made from have changed or are gone (such as ' ~ gone[0][0] ~ ')') }}
{%- endmacro %}

{% macro duckdb__has_nothing_landed(since_run, number) -%}
    {{ return(not run_query(
        'select 1 from increments.landed as there left join increments.landed as seen on there.part = seen.part and seen.run_number = ' ~ since_run
        ~ ' where there.run_number = ' ~ number ~ ' and seen.part is null limit 1'
    ).rows) }}
{%- endmacro %}

{% macro duckdb__prepare_new_rows(since_run, since_as_of, number) -%}
    {%- set folder = duckdb_raw_folder() -%}
    {%- for table in raw_tables() -%}
        {%- set found = run_query(
            'select there.part, seen.part is not null from increments.landed as there left join increments.landed as seen'
            ~ ' on there.part = seen.part and seen.run_number = ' ~ since_run
            ~ ' where there.run_number = ' ~ number ~ ' and there.table_name = ' ~ dbt.string_literal(table.name)
            ~ ' and (seen.part is null or there.newest_loaded_at > ' ~ dbt.string_literal(since_as_of) ~ ') order by there.part'
        ).rows -%}
        {%- set unseen, seen = [], [] -%}
        {%- for row in found -%}
            {%- do (seen if row[1] else unseen).append(row) -%}
        {%- endfor -%}
        {%- set queries = [duckdb_raw_query(folder, table, unseen)] if unseen or not seen else [] -%}
        {%- if seen -%}
            {%- do queries.append(duckdb_raw_query(folder, table, seen) ~ ' where _loaded_at > ' ~ dbt.string_literal(since_as_of)) -%}
        {%- endif -%}
        {%- do run_query('create or replace view raw.new_' ~ table.name ~ ' as ' ~ queries | join(' union all ')) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro duckdb__new_rows(table) -%}
    select * from {{ source('crm', table).incorporate(path={'identifier': 'new_' ~ table}) }}
    where _loaded_at <= {{ as_of() }}
{%- endmacro %}
