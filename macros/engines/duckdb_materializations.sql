{#-
  How DuckDB builds a model: in its place, in one transaction. Taking a table down and putting it up again is part of a
  transaction there, so nobody sees it missing, and a build that fails leaves the old one; no table is made under another name
  and renamed, and none is made only to be copied into a kept one. dbt-duckdb's own way takes twice the statements, which is
  most of what a run over few leads costs.
-#}
{% materialization table, adapter="duckdb", supported_languages=["sql"] -%}
    {{ return(duckdb_build_in_place(is_made_anew=true)) }}
{%- endmaterialization %}

{% materialization incremental, adapter="duckdb", supported_languages=["sql"] -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ return(duckdb_build_in_place(is_made_anew=should_full_refresh() or existing is none or existing.is_view)) }}
{%- endmaterialization %}

{% materialization view, adapter="duckdb", supported_languages=["sql"] -%}
    {{ return(duckdb_build_in_place(is_made_anew=true)) }}
{%- endmaterialization %}

{% macro duckdb_build_in_place(is_made_anew) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set built = this.incorporate(type='view' if model.config.materialized == 'view' else 'table') -%}
    {%- if stands_still(existing) -%}
        {{ return({'relations': [built]}) }}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        {%- if is_made_anew -%}
            {%- set is_contracted = config.get('contract').enforced -%}
            {%- if existing is not none and (is_contracted or existing.type != built.type) -%}
                drop {{ existing.type }} if exists {{ existing }};
            {% endif -%}
            {%- if is_contracted -%}
                {{ create_table_as(false, built, compiled_code) }}
            {%- elif built.type == 'table' and duckdb_has_ids() and not is_increment() -%}
                {#- In an increment the work is small: its tables are made the short way. -#}
                create or replace table {{ built }} ({{ duckdb_columns_of(compiled_code) }});
                insert into {{ built }} (
                {{ compiled_code }}
                );
            {%- else -%}
                {#- A model may read what it was before. -#}
                create or replace {{ built.type }} {{ built }} as (
                {{ compiled_code }}
                );
            {%- endif -%}
            {{ duckdb_comments(built) }}
        {%- elif config.get('incremental_strategy') == 'append' -%}
            insert into {{ built }} by name (
            {{ compiled_code }}
            );
        {%- else -%}
            {#- Worked out before any row goes: so the key is looked at among them alone. -#}
            create or replace temp table {{ rows_of_this_run() }} as (
            {{ compiled_code }}
            );
            {{ get_incremental_replace_leads_sql({
                'target_relation': built,
                'temp_relation': rows_of_this_run(),
                'dest_columns': model.columns.values(),
                'incremental_predicates': config.get('incremental_predicates'),
            }) }}
        {%- endif -%}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- if not is_made_anew and config.get('incremental_strategy') != 'append' -%}
        {%- do run_query('drop table ' ~ rows_of_this_run()) -%}
    {%- endif -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [built]}) }}
{%- endmacro %}

{#- The descriptions of what is made anew; dbt's own `persist_docs` asks twice whether the columns of the contract are there. -#}
{% macro duckdb_comments(relation) -%}
    {%- if config.persist_relation_docs() and model.description -%}
        {{ alter_relation_comment(relation, model.description) }}
    {%- endif -%}
    {%- if config.persist_column_docs() -%}
        {%- for column in model.columns.values() if column.description %}
            comment on column {{ relation }}.{{ adapter.quote(column.name) }} is {{ duckdb_escape_comment(column.description) }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- What an increment writes into the kept model that is being built: a temporary table, until the model is done. -#}
{% macro rows_of_this_run() -%}
    temp.rows_of_this_run
{%- endmacro %}

{#- Whether the model is left as it is, because this run has found nothing that could change it; dbt is told so. -#}
{% macro stands_still(existing) -%}
    {%- if existing is none or not nothing_is_new() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- do store_raw_result('main', message='nothing is new', code='OK', rows_affected='0') -%}
    {{ return(true) }}
{%- endmacro %}
