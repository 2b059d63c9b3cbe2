{#-
  How DuckDB keeps ids. It would look for repeats in them, as in every text, which is most of the cost of writing them, and
  find few. So they are kept as they are; those that hardly repeat, which are long and seldom read, with zstd in what stays
  from run to run.
-#}
{% macro duckdb_compression(column) -%}
    {%- set is_work = model.config.materialized == 'table' and not model.config.contract.enforced -%}
    {%- if column in ['obligation_id', 'credit_id'] or column.endswith('activity_id') -%}
        {{ ' using compression ' ~ ('uncompressed' if is_work else 'zstd') }}
    {%- elif column.endswith(('lead_id', '_stand_in')) -%}
        {{ ' using compression uncompressed' }}
    {%- endif -%}
{%- endmacro %}

{#- Whether the model that is being built tells of such a column. -#}
{% macro duckdb_has_ids() -%}
    {%- set ids = [] -%}
    {%- for column in model.columns if duckdb_compression(column) -%}
        {%- do ids.append(column) -%}
    {%- endfor -%}
    {{ return(ids != []) }}
{%- endmacro %}

{#- The columns of a query as those of a table, with how such ids are kept. -#}
{% macro duckdb_columns_of(query) -%}
    {%- for column in run_query('describe ' ~ query).rows -%}
        {{ adapter.quote(column[0]) }} {{ column[1] }}{{ duckdb_compression(column[0]) }}
        {%- if not loop.last %}, {% endif -%}
    {%- endfor -%}
{%- endmacro %}
