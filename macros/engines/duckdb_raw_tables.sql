{#- DuckDB reads the landed Parquet files in place, through views that give them the contract's columns. -#}
{% macro duckdb__prepare_raw_tables() -%}
    {%- set folder = duckdb_raw_folder() -%}
    {%- set zone = var('reporting_time_zone') -%}
    {%- if not run_query("select 1 from pg_timezone_names() where name = '" ~ zone | replace("'", "''") ~ "'").rows -%}
        {%- do refuse("var reporting_time_zone is '" ~ zone ~ "', which is no IANA time zone such as Europe/Amsterdam") -%}
    {%- endif -%}
    {%- if not run_query("select 1 from glob('" ~ folder | replace("'", "''") ~ "/**') limit 1").rows -%}
        {%- do refuse("there is no raw folder " ~ folder ~ ", or it is empty: set LEAD_SLA_RAW to the folder with the landed tables, or make sample data with 'lead-sla sample'") -%}
    {%- endif -%}
    {%- do run_query((['create schema if not exists raw'] + increment_tables()) | join('; ')) -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'crm') -%}
        {%- do duckdb_prepare_raw_table(folder, table) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro duckdb_raw_folder() -%}
    {{ return(env_var('LEAD_SLA_RAW', 'data/raw').rstrip('/')) }}
{%- endmacro %}

{#- All files of a table, as DuckDB's readers take them. -#}
{% macro duckdb_raw_files(folder, table) -%}
    {{ return(dbt.string_literal((folder ~ '/' ~ table.name ~ '/**/*.parquet') | replace("'", "''"))) }}
{%- endmacro %}

{#- Some files, by rows that begin with their path in the raw folder. -#}
{% macro duckdb_file_list(folder, rows) -%}
    {%- set files = [] -%}
    {%- for row in rows -%}
        {%- do files.append(dbt.string_literal((folder ~ '/' ~ row[0]) | replace("'", "''"))) -%}
    {%- endfor -%}
    {{ return('[' ~ files | join(', ') ~ ']') }}
{%- endmacro %}

{% macro duckdb_has_landed(folder, table) -%}
    {{ return(run_query('select 1 from glob(' ~ duckdb_raw_files(folder, table) ~ ') limit 1').rows | length > 0) }}
{%- endmacro %}

{% macro duckdb_prepare_raw_table(folder, table) -%}
    {%- if not duckdb_has_landed(folder, table) and not raw_is_optional(table) -%}
        {%- do refuse("table " ~ table.name ~ " is missing: there is no Parquet file under " ~ folder ~ "/" ~ table.name ~ "/, and the build cannot do without it", table.name) -%}
    {%- endif -%}
    {%- do run_query('create or replace view raw.' ~ table.name ~ ' as ' ~ duckdb_raw_query(folder, table)) -%}
{%- endmacro %}

{#- The rows of some files of a raw table (of all, where none are named), under the names and types of the contract. -#}
{% macro duckdb_raw_query(folder, table, rows=none) -%}
    {%- set landed = rows or (rows is none and duckdb_has_landed(folder, table)) -%}
    {%- set read = "read_parquet(" ~ (duckdb_file_list(folder, rows) if rows else duckdb_raw_files(folder, table)) ~ ", union_by_name = true, hive_partitioning = false)" -%}
    {%- set types = {} -%}
    {%- if landed -%}
        {%- for column in run_query('describe select * from ' ~ read).rows -%}
            {%- do types.update({column[0] | lower: column[1]}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set selected = [] -%}
    {%- for column in table.columns.values() -%}
        {%- set there = types.get(column.name | lower) -%}
        {%- if landed and not there and not raw_is_optional(column) -%}
            {%- do refuse("table " ~ table.name ~ " has no column " ~ column.name ~ " (" ~ column.data_type ~ ") in the files under " ~ folder ~ "/" ~ table.name ~ "/: land it, or map it in staging", table.name, column.name) -%}
        {%- endif -%}
        {%- if there and not duckdb_type_fits(there, column.data_type) -%}
            {#- A loader that never saw a value often guesses another type: a column of nulls alone fits every type. -#}
            {%- if run_query('select 1 from ' ~ read ~ ' where "' ~ column.name ~ '" is not null limit 1').rows -%}
                {%- set hint = ': land UTC timestamps without a zone' if 'WITH TIME ZONE' in there else ': land it in the type of the contract' -%}
                {%- do refuse("column " ~ column.name ~ " of table " ~ table.name ~ " is " ~ there ~ " in " ~ duckdb_files_of_type(folder, table, column.name, there) ~ ", where the contract says " ~ column.data_type ~ hint, table.name, column.name) -%}
            {%- endif -%}
            {%- set there = none -%}
        {%- endif -%}
        {%- do selected.append('cast(' ~ ('"' ~ column.name ~ '"' if there else 'null') ~ ' as ' ~ column.data_type ~ ') as ' ~ column.name) -%}
    {%- endfor -%}
    {{ return('select ' ~ selected | join(', ') ~ (' from ' ~ read if landed else ' where false')) }}
{%- endmacro %}

{#- Where a column has a type: a file by name where some have it and others not. Together files have the widest type among them. -#}
{% macro duckdb_files_of_type(folder, table, column, type) -%}
    {%- set found = run_query(
        "select file_name, count(*) over () from parquet_schema(" ~ duckdb_raw_files(folder, table) ~ ") where lower(name) = '" ~ column | lower
        ~ "' and duckdb_type = '" ~ type ~ "' order by file_name limit 1"
    ).rows -%}
    {%- set files = run_query("select count(*) from glob(" ~ duckdb_raw_files(folder, table) ~ ")").rows[0][0] -%}
    {%- if found and found[0][1] < files -%}
        {{ return(found[0][0] ~ (" and " ~ (found[0][1] - 1) ~ " more files" if found[0][1] > 1 else "")) }}
    {%- endif -%}
    {{ return("the files under " ~ folder ~ "/" ~ table.name ~ "/") }}
{%- endmacro %}

{#- The landed types that can stand for a type of the contract without losing anything. -#}
{% macro duckdb_type_fits(landed, wanted) -%}
    {%- set family = {
        'varchar': ['VARCHAR', 'UUID', 'ENUM'],
        'boolean': ['BOOLEAN'],
        'date': ['DATE'],
        'bigint': ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER'],
        'timestamp': ['TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS'],
        'decimal': ['DECIMAL', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'FLOAT', 'DOUBLE'],
    } -%}
    {{ return(landed.split('(')[0] in family[wanted.split('(')[0]]) }}
{%- endmacro %}
