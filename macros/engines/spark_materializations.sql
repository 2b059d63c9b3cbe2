{#-
  How Spark keeps a model from run to run. Rows of Parquet files can be neither deleted nor changed, so a kept table is laid out in
  buckets: partitions by a hash of the lead (column `lead_bucket`, behind those of the contract). An increment replaces the buckets in
  which a row comes or goes, by the new rows and those old ones that stay, and leaves the files of the others as they are. Tables of
  Delta and Iceberg need no buckets: there rows are deleted and inserted.

  Replacing buckets is no transaction: Spark takes each old one away before it puts the new one in its place. So the note that the
  model is done is taken away first, and written again when all is done, checks of the contract included. A run that is killed in
  between, or breaks the contract, has the next one rebuild every lead.
-#}
{% materialization incremental, adapter="spark", supported_languages=["sql"] -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set built = this.incorporate(type='table') -%}
    {#- An existing table goes by what it is, until it is made anew. -#}
    {%- set has_row_changes = existing is not none and (existing.is_delta or existing.is_iceberg) -%}
    {%- set gets_row_changes = config.get('file_format') in ['delta', 'iceberg'] -%}
    {%- set is_made_anew = should_full_refresh() or existing is none or existing.is_view -%}
    {{ run_hooks(pre_hooks) }}
    {%- if is_made_anew -%}
        {%- if existing is not none and not (has_row_changes and gets_row_changes) -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ create_table_as(false, built, compiled_code) if gets_row_changes else spark_create_in_buckets(built, compiled_code) }}
        {%- endcall -%}
    {%- elif has_row_changes -%}
        {%- for change in spark_row_changes(built, compiled_code) -%}
            {%- call statement('main') -%}{{ change }}{%- endcall -%}
        {%- endfor -%}
    {%- else -%}
        {%- do spark_replace_in_buckets(built, compiled_code) -%}
    {%- endif -%}
    {%- do persist_docs(built, model) -%}
    {{ run_hooks(post_hooks) }}
    {%- do run_query(default__note_increment()) -%}
    {{ return({'relations': [built]}) }}
{%- endmaterialization %}

{#- The materialization notes it when everything else is done. -#}
{% macro spark__note_increment() -%}
{%- endmacro %}

{% macro spark_create_in_buckets(relation, sql) -%}
    {%- set buckets = env_var('LEAD_SLA_SPARK_BUCKETS', '16') | int -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set sql = get_select_subquery(sql) -%}
    {%- endif -%}
    create table {{ relation }} {{ file_format_clause() }}
    {#- A table goes by the number that it was made with. #}
    {{ spark_partitioned_by('lead_bucket') }} tblproperties ('lead_sla.buckets' = '{{ buckets }}')
    {{ location_clause() }} {{ comment_clause() }}
    as {{ spark_in_buckets(sql, '*', buckets) }}
{%- endmacro %}

{#- Rows of a query with their bucket; those of one bucket come together, so that its files are few. -#}
{% macro spark_in_buckets(sql, columns, buckets) -%}
    select /*+ rebalance(lead_bucket) */ * from (
        select {{ columns }}, pmod(hash(lead_id), {{ buckets }}) as lead_bucket from (
{{ sql }}
        ) as made
    ) as laid_out
{%- endmacro %}

{% macro spark_replace_in_buckets(relation, sql) -%}
    {%- set is_this = 'model_name = ' ~ dbt.string_literal(model.name) -%}
    {%- if not run_query('select 1 from increments.done where ' ~ is_this).rows -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ' was left half written by a run that broke off, so it cannot be mended by the leads of one batch alone.'
            ~ ' Build the whole project (dbt build), which then rebuilds every lead'
        ) -%}
    {%- endif -%}
    {%- set properties = {} -%}
    {%- for row in run_query('show tblproperties ' ~ relation).rows -%}
        {%- do properties.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | reject('equalto', 'lead_bucket') | join(', ') -%}
    {#- Worked out once: they are counted first, and then written. -#}
    {%- set new_rows = 'new_rows_of_' ~ model.name -%}
    {%- do run_query('drop view if exists ' ~ new_rows) -%}
    {%- do run_query('cache table ' ~ new_rows ~ ' as ' ~ spark_in_buckets(sql, columns, properties['lead_sla.buckets'])) -%}
    {%- set old_rows -%}
        (
            select kept.*, coalesce(batch.is_in_it {%- for rows in config.get('incremental_predicates') or [] %} or ({{ rows }}){%- endfor %}, false) as goes
            from {{ relation }} as kept
            left join (select lead_id as lead_of_batch, true as is_in_it from {{ batch_relation() }} as leads) as batch
                on kept.lead_id = batch.lead_of_batch
        ) as old_rows
    {%- endset -%}
    {%- set filled, emptied = [], [] -%}
    {%- for row in run_query(
        'select lead_bucket, max(remains) from ('
        ~ 'select lead_bucket, not goes as remains, goes as is_touched from ' ~ old_rows
        ~ ' union all select lead_bucket, true, true from ' ~ new_rows
        ~ ') as rows_of_both group by lead_bucket having max(is_touched) order by lead_bucket'
    ).rows -%}
        {%- do (filled if row[1] else emptied).append(row[0] | int) -%}
    {%- endfor -%}
    {%- if filled or emptied -%}
        {%- do run_query('alter table increments.done drop if exists partition (' ~ is_this ~ ')') -%}
    {%- endif -%}
    {#- What nothing is written to would stay as it is. -#}
    {%- if emptied -%}
        {%- do run_query('alter table ' ~ relation ~ ' drop if exists partition (lead_bucket = ' ~ emptied | join('), partition (lead_bucket = ') ~ ')') -%}
    {%- endif -%}
    {%- if filled -%}
        {%- call statement('main') -%}
            insert overwrite table {{ relation }} partition (lead_bucket)
            select /*+ rebalance(lead_bucket) */ * from (
                select {{ columns }}, lead_bucket from {{ new_rows }}
                union all
                select {{ columns }}, lead_bucket from {{ old_rows }}
                where lead_bucket in ({{ filled | join(', ') }}) and not goes
            ) as replaced
        {%- endcall -%}
    {%- else -%}
        {%- do store_raw_result('main', message='no bucket is written', code='OK', rows_affected='0') -%}
    {%- endif -%}
    {%- do run_query('drop view if exists ' ~ new_rows) -%}
{%- endmacro %}

{#- The statements that do it where rows can be deleted: open Delta takes no subquery in a `delete`, but a merge that deletes. -#}
{% macro spark_row_changes(relation, sql) -%}
    {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | join(', ') -%}
    {%- set changes = [
        'merge into ' ~ relation ~ ' as kept using ' ~ batch_relation() ~ ' as batch on kept.lead_id = batch.lead_id when matched then delete'
    ] -%}
    {%- for rows in config.get('incremental_predicates') or [] -%}
        {%- do changes.append('delete from ' ~ relation ~ ' where ' ~ rows) -%}
    {%- endfor -%}
    {{ return(changes + ['insert into ' ~ relation ~ ' (' ~ columns ~ ') select ' ~ columns ~ ' from (' ~ sql ~ '\n) as made']) }}
{%- endmacro %}
