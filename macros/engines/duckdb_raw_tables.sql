{#- DuckDB reads the landed Parquet files in place, through views that give them the contract's columns. -#}
{% macro duckdb__prepare_raw_tables() -%}
    {%- set folder = env_var('LEAD_SLA_RAW', 'data/raw') -%}
    {%- set zone = var('reporting_time_zone') -%}
    {%- if not run_query("select 1 from pg_timezone_names() where name = '" ~ zone | replace("'", "''") ~ "'").rows -%}
        {%- do refuse("var reporting_time_zone is '" ~ zone ~ "', which is no IANA time zone such as Europe/Amsterdam") -%}
    {%- endif -%}
    {%- if not run_query("select 1 from glob('" ~ folder | replace("'", "''") ~ "/**') limit 1").rows -%}
        {%- do refuse("there is no raw folder " ~ folder ~ ", or it is empty: set LEAD_SLA_RAW to the folder with the landed tables, or make sample data with 'lead-sla sample'") -%}
    {%- endif -%}
    {%- do run_query('create schema if not exists raw') -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'crm') -%}
        {%- do duckdb_prepare_raw_table(folder, table) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro duckdb_prepare_raw_table(folder, table) -%}
    {%- set files = (folder ~ '/' ~ table.name ~ '/**/*.parquet') | replace("'", "''") -%}
    {%- set landed = run_query("select 1 from glob('" ~ files ~ "') limit 1").rows -%}
    {%- if not landed and not raw_is_optional(table) -%}
        {%- do refuse("table " ~ table.name ~ " is missing: there is no Parquet file under " ~ folder ~ "/" ~ table.name ~ "/, and the build cannot do without it", table.name) -%}
    {%- endif -%}
    {%- set read = "read_parquet('" ~ files ~ "', union_by_name = true, hive_partitioning = false)" -%}
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
                {%- do refuse("column " ~ column.name ~ " of table " ~ table.name ~ " is " ~ there ~ " in the files under " ~ folder ~ "/" ~ table.name ~ "/, where the contract says " ~ column.data_type ~ hint, table.name, column.name) -%}
            {%- endif -%}
            {%- set there = none -%}
        {%- endif -%}
        {%- do selected.append('cast(' ~ ('"' ~ column.name ~ '"' if there else 'null') ~ ' as ' ~ column.data_type ~ ') as ' ~ column.name) -%}
    {%- endfor -%}
    {%- do run_query(
        'create or replace view raw.' ~ table.name ~ ' as select ' ~ selected | join(', ')
        ~ (' from ' ~ read if landed else ' where false')
    ) -%}
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
