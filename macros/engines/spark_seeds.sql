{#-
  The policy seeds on Spark. dbt-spark puts values into the statement as they stand: an apostrophe ends it, and an empty value
  becomes the word None. And it has Spark take what is no number for null, where DuckDB refuses it.
-#}
{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set columns = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- do columns.append(name ~ ' ' ~ spark_seed_type(model, agate_table, loop.index0)) -%}
    {%- endfor -%}
    {%- set sql = 'create table ' ~ this.render() ~ ' (' ~ columns | join(', ') ~ ') ' ~ file_format_clause() -%}
    {%- call statement('_') -%}{{ sql }}{%- endcall -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set values = [] -%}
        {%- for value in row -%}
            {%- set text = 'null' if value is none else "'" ~ value | string | replace('\\', '\\\\') | replace("'", "\\'") ~ "'" -%}
            {%- do values.append('cast(' ~ text ~ ' as ' ~ spark_seed_type(model, agate_table, loop.index0) ~ ')') -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- if not rows -%}
        {{ return('select 1') }}
    {%- endif -%}
    {%- set sql = 'insert into ' ~ this.render() ~ ' values ' ~ rows | join(', ') -%}
    {%- do run_query(sql) -%}
    {%- do spark_check_seed(agate_table) -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro spark_check_seed(agate_table) -%}
    {%- set counts = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- do counts.append('count(' ~ name ~ ')') -%}
    {%- endfor -%}
    {%- set found = run_query('select ' ~ counts | join(', ') ~ ' from ' ~ this.render()).rows[0] -%}
    {%- for column in agate_table.columns -%}
        {%- set given = column.values() | reject('none') | list | length -%}
        {%- if found[loop.index0] != given -%}
            {%- set wrong = given - found[loop.index0] -%}
            {%- do exceptions.raise_compiler_error(this.identifier ~ ': column ' ~ column.name ~ ' has ' ~ wrong ~ ' value(s) that are no ' ~ spark_seed_type(model, agate_table, loop.index0) ~ ': correct them in the file') -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro spark_seed_type(model, agate_table, index) -%}
    {{ return(spark_type(model.config.column_types.get(agate_table.column_names[index], adapter.convert_type(agate_table, index)))) }}
{%- endmacro %}
