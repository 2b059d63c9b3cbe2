{#-
  On Postgres `lead-sla load` or another loader fills the tables of schema `raw` (docs/loading.md). What the contract calls
  optional and the loader does not know is added here, empty; what does not fit the contract is refused.
-#}
{% macro postgres__prepare_raw_tables() -%}
    {%- set zone = var('reporting_time_zone') | replace("'", "''") -%}
    {%- if not run_query("select 1 from pg_timezone_names where name = '" ~ zone ~ "'").rows -%}
        {%- do refuse("var reporting_time_zone is '" ~ var('reporting_time_zone') ~ "', which is no IANA time zone such as Europe/Amsterdam") -%}
    {%- endif -%}
    {%- set additions = ['create schema if not exists raw'] + increment_tables() -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'crm') -%}
        {%- do additions.extend(postgres_raw_additions(table)) -%}
    {%- endfor -%}
    {%- do additions.extend(postgres_opened_marts()) -%}
    {%- do run_query('begin; ' ~ additions | join('; ') ~ '; commit') -%}
    {%- do postgres_warn_of_languages() -%}
{%- endmacro %}

{#- Ids break ties by their bytes on any other engine: where the database has a language, the columns have to say so. -#}
{% macro postgres_warn_of_languages() -%}
    {%- if run_query("select 1 where 'a' < 'B'").rows -%}
        {%- for table in run_query(
            "select attrelid::regclass::text, string_agg(attname, ', ' order by attnum) from pg_attribute"
            ~ " where attrelid in (select oid from pg_class where relnamespace = 'raw'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f'))"
            ~ " and attcollation = 'pg_catalog.default'::regcollation and right(attname, 3) = '_id' group by 1 order by 1"
        ).rows -%}
            {%- do exceptions.warn('[raw] ' ~ table[0] ~ ': ' ~ table[1] ~ ' are ordered by the language of the database, so ties may be broken otherwise than on other engines: give them collate "C" (docs/loading.md)') -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- Checks a raw table against its contract, and gives the statements that add what is optional and missing. -#}
{% macro postgres_raw_additions(table) -%}
    {%- set found = run_query(
        "select attname, format_type(atttypid, atttypmod), relkind"
        ~ " from pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped"
        ~ " where relnamespace = to_regnamespace('raw') and relname = '" ~ table.name ~ "' and relkind in ('r', 'p', 'v', 'm', 'f')"
    ).rows -%}
    {%- set types = {} -%}
    {%- for column in found -%}
        {%- do types.update({column[0]: column[1]}) -%}
    {%- endfor -%}
    {%- if not types and not raw_is_optional(table) -%}
        {%- do refuse("table raw." ~ table.name ~ " is missing, and the build cannot do without it: load it (lead-sla load --target postgres)", table.name) -%}
    {%- endif -%}
    {%- set additions = [] -%}
    {%- for column in table.columns.values() -%}
        {%- set there = types.get(column.name) -%}
        {%- set definition = column.name ~ ' ' ~ postgres_raw_type(column.data_type) -%}
        {%- if not types -%}
            {%- do additions.append(definition) -%}
        {%- elif there and not postgres_type_fits(there, column.data_type) -%}
            {%- set hint = ": land UTC timestamps without a zone" if there == 'timestamp with time zone' else ": load it in the type of the contract" -%}
            {%- do refuse("column " ~ column.name ~ " of table raw." ~ table.name ~ " is " ~ there ~ ", where the contract says " ~ column.data_type ~ hint ~ ", or make raw." ~ table.name ~ " a view that casts it (docs/loading.md)", table.name, column.name) -%}
        {%- elif not there and not raw_is_optional(column) -%}
            {%- do refuse("table raw." ~ table.name ~ " has no column " ~ column.name ~ " (" ~ column.data_type ~ "): load it, or make raw." ~ table.name ~ " a view that maps it (docs/loading.md)", table.name, column.name) -%}
        {%- elif not there and found[0][2] not in ['r', 'p'] -%}
            {%- do refuse("raw." ~ table.name ~ " is a view without column " ~ column.name ~ ": add cast(null as " ~ column.data_type ~ ") as " ~ column.name ~ " to it", table.name, column.name) -%}
        {%- elif not there -%}
            {%- do additions.append('alter table raw.' ~ table.name ~ ' add column ' ~ definition) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(additions if types else ['create table raw.' ~ table.name ~ ' (' ~ additions | join(', ') ~ ')']) }}
{%- endmacro %}

{#- Texts are ordered by their bytes, whatever the language of the database. -#}
{% macro postgres_raw_type(data_type) -%}
    {{ return(data_type ~ (' collate "C"' if data_type == 'varchar' else '')) }}
{%- endmacro %}

{#- The types of a column that can stand for a type of the contract without losing anything. -#}
{% macro postgres_type_fits(there, wanted) -%}
    {%- set family = {
        'varchar': ['text', 'character varying'],
        'boolean': ['boolean'],
        'date': ['date'],
        'bigint': ['smallint', 'integer', 'bigint'],
        'timestamp': ['timestamp without time zone'],
        'decimal': ['smallint', 'integer', 'bigint', 'numeric'],
    } -%}
    {%- if there.startswith('numeric') and wanted.startswith('decimal') -%}
        {#- A number with more decimals than the contract's would be rounded on another engine, and not here. -#}
        {{ return(there == wanted | replace('decimal', 'numeric')) }}
    {%- endif -%}
    {{ return(modules.re.sub('\\(.*\\)', '', there) in family[wanted.split('(')[0]]) }}
{%- endmacro %}
