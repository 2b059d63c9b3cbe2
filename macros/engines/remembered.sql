{#-
  How the small tables of schema `increments` are written (macros/increments says what is in them):

  remembered_by  what stands behind the columns of a table where it is made; `key` is the column that says whose the rows are
  remember       the statement that writes the rows of a query, which has them in the order of `columns`
  forget_runs    clears away what the next run does not ask for: the runs before one, and what a run left that was not closed;
                 to be done before `remember` writes what run `number` finds
-#}
{% macro remembered_by(key=none) -%}
    {{ return(adapter.dispatch('remembered_by', 'lead_sla')(key)) }}
{%- endmacro %}

{% macro default__remembered_by(key) -%}
    {{ return('') }}
{%- endmacro %}

{% macro remember(table, columns, query) -%}
    {{ return(adapter.dispatch('remember', 'lead_sla')(table, columns, query)) }}
{%- endmacro %}

{% macro default__remember(table, columns, query) -%}
    {{ return('insert into increments.' ~ table ~ ' (' ~ columns | join(', ') ~ ') ' ~ query) }}
{%- endmacro %}

{% macro forget_runs(before, number) -%}
    {{ return(adapter.dispatch('forget_runs', 'lead_sla')(before, number)) }}
{%- endmacro %}

{% macro default__forget_runs(before, number) -%}
    {%- for table in ['runs', 'landed', 'done', 'made', 'whole'] -%}
        {%- do run_query('delete from increments.' ~ table ~ ' where run_number < ' ~ before) -%}
    {%- endfor -%}
    {%- do run_query('delete from increments.landed where run_number >= ' ~ number) -%}
    {%- do run_query('delete from increments.opened') -%}
{%- endmacro %}

{#-
  Spark cannot delete rows of Parquet files, nor may two statements add to one table at the same time: each one that is done clears
  the folder away in which the other still writes. So what belongs to a key is a partition of its own, and is replaced as a whole;
  a table without a key is replaced altogether.
-#}
{% macro spark__remembered_by(key) -%}
    {{ return(' using parquet' ~ (spark_partitioned_by(key) if key else '')) }}
{%- endmacro %}

{% macro spark__remember(table, columns, query) -%}
    {{ return('insert overwrite table increments.' ~ table ~ ' (' ~ columns | join(', ') ~ ') ' ~ query) }}
{%- endmacro %}

{% macro spark__forget_runs(before, number) -%}
    {%- for table in ['runs', 'landed', 'made', 'whole'] -%}
        {%- set past = [] -%}
        {%- for row in run_query('show partitions increments.' ~ table).rows -%}
            {%- set run_number = row[0].split('=')[1] | int -%}
            {%- if run_number < before -%}
                {%- do past.append('partition (run_number = ' ~ run_number ~ ')') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if past -%}
            {%- do run_query('alter table increments.' ~ table ~ ' drop if exists ' ~ past | join(', ')) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- What is written replaces the partitions that it has rows of, and no others: Spark's default is to replace all of them. -#}
{% macro spark_partitioned_by(column) -%}
    {{ return(" options (partitionOverwriteMode 'dynamic') partitioned by (" ~ column ~ ')') }}
{%- endmacro %}
