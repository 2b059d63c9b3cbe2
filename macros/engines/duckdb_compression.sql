{#-
  How DuckDB keeps ids that stand in nearly every row anew: it would look for repeats in them and hardly find any, which
  takes twice the time of writing them with zstd, for nearly the same space. What is kept is looked up by lead, and stays
  as DuckDB chooses there: it is quicker to read.
-#}
{% macro duckdb_compression(column) -%}
    {%- set is_work = model.config.materialized == 'table' -%}
    {%- if column in ['obligation_id', 'credit_id'] or column.endswith('activity_id') or (is_work and column.endswith('lead_id')) %} using compression {{ 'uncompressed' if is_work else 'zstd' }}{% endif -%}
{%- endmacro %}

{#- The columns of a query as those of a table. -#}
{% macro duckdb_columns_of(query) -%}
    {%- for column in run_query('describe ' ~ query).rows -%}
        {{ adapter.quote(column[0]) }} {{ column[1] }}{{ duckdb_compression(column[0]) }}
        {%- if not loop.last %}, {% endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- Whether the model that is being built tells of such a column. -#}
{% macro has_ids_to_compress() -%}
    {%- set compressed = [] -%}
    {%- for column in model.columns if duckdb_compression(column) -%}
        {%- do compressed.append(column) -%}
    {%- endfor -%}
    {{ return(compressed != []) }}
{%- endmacro %}
