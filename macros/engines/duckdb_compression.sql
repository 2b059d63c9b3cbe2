{#-
  How DuckDB keeps ids that hardly repeat. It would look for repeats in them, as in every text, which is most of the cost of
  writing them, and find hardly any. What is kept has them with zstd: half the cost, for nearly the same space. The work of
  one run is read once or twice, and has them as they are, and the ids of its leads as well. Kept facts are looked up by
  lead, which is quicker as DuckDB chooses.
-#}
{% macro duckdb_compression(column) -%}
    {%- set is_work = model.config.materialized == 'table' and not model.config.contract.enforced -%}
    {%- if column in ['obligation_id', 'credit_id'] or column.endswith('activity_id') -%}
        {{ ' using compression ' ~ ('uncompressed' if is_work else 'zstd') }}
    {%- elif is_work and column.endswith('lead_id') -%}
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
