{#-
  On Spark `lead-sla load` or another loader fills the tables of schema `raw` (docs/loading.md). What the contract calls optional
  and the loader does not know is added here, empty; what does not fit the contract is refused.
-#}
{% macro spark__prepare_raw_tables() -%}
    {%- if var('reporting_time_zone') not in modules.pytz.all_timezones_set -%}
        {%- do refuse("var reporting_time_zone is '" ~ var('reporting_time_zone') ~ "', which is no IANA time zone such as Europe/Amsterdam") -%}
    {%- endif -%}
    {%- set zone = run_query('select current_timezone()').rows[0][0] -%}
    {%- if zone not in ['UTC', 'Etc/UTC', 'Z', 'GMT'] -%}
        {%- do refuse("the session of Spark is one of " ~ zone ~ ", where days would begin at other instants: set spark.sql.session.timeZone to UTC") -%}
    {%- endif -%}
    {%- for statement in ['create schema if not exists raw'] + increment_tables() -%}
        {%- do run_query(statement) -%}
    {%- endfor -%}
    {%- set there = run_query('show tables in raw').columns['tableName'].values() | map('lower') | list -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'crm') -%}
        {%- do spark_prepare_raw_table(table, table.name in there) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro spark_prepare_raw_table(table, is_there) -%}
    {%- set types = {} -%}
    {%- if is_there -%}
        {%- for row in run_query('describe table raw.' ~ table.name).rows if row[0] and not row[0].startswith('#') -%}
            {%- do types.update({row[0] | lower: row[1]}) -%}
        {%- endfor -%}
    {%- elif not raw_is_optional(table) -%}
        {%- do refuse("table raw." ~ table.name ~ " is missing, and the build cannot do without it: load it (lead-sla load --target spark)", table.name) -%}
    {%- endif -%}
    {%- set additions = [] -%}
    {%- for column in table.columns.values() -%}
        {%- set found = types.get(column.name) -%}
        {%- if not is_there or (not found and raw_is_optional(column)) -%}
            {%- do additions.append(column.name ~ ' ' ~ spark_type(column.data_type)) -%}
        {%- elif not found -%}
            {%- do refuse("table raw." ~ table.name ~ " has no column " ~ column.name ~ " (" ~ column.data_type ~ "): load it, or make raw." ~ table.name ~ " a view that maps it (docs/loading.md)", table.name, column.name) -%}
        {%- elif not spark_type_fits(found, column.data_type) -%}
            {%- do refuse("column " ~ column.name ~ " of table raw." ~ table.name ~ " is " ~ found ~ ", where the contract says " ~ column.data_type ~ ": load it in the type of the contract, or make raw." ~ table.name ~ " a view that casts it (docs/loading.md)", table.name, column.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not is_there -%}
        {%- do run_query('create table raw.' ~ table.name ~ ' (' ~ additions | join(', ') ~ ') using parquet') -%}
    {%- elif additions -%}
        {%- do run_query('alter table raw.' ~ table.name ~ ' add columns (' ~ additions | join(', ') ~ ')') -%}
    {%- endif -%}
{%- endmacro %}

{#- The types of a column that can stand for a type of the contract without losing anything. -#}
{% macro spark_type_fits(there, wanted) -%}
    {%- set family = {
        'varchar': ['string', 'varchar', 'char'],
        'boolean': ['boolean'],
        'date': ['date'],
        'bigint': ['tinyint', 'smallint', 'int', 'bigint'],
        'timestamp': ['timestamp'],
        'decimal': ['decimal', 'tinyint', 'smallint', 'int', 'bigint'],
    } -%}
    {{ return(there.split('(')[0] in family[wanted.split('(')[0]]) }}
{%- endmacro %}
