{#-
  dbt's own materialization of a unit test, but for the name of its temporary table: dbt takes the name of the test, ours are
  sentences, and Postgres cuts names at 63 bytes.
-#}
{%- materialization unit, adapter='postgres' -%}
    {%- set expected_rows = config.get('expected_rows') -%}
    {%- set expected_sql = config.get('expected_sql') -%}
    {%- set expected_columns = expected_rows[0].keys() if expected_rows else get_columns_in_query(sql) -%}

    {%- set named = api.Relation.create(identifier='unit_test_' ~ local_md5(this.identifier), type='table') -%}
    {%- set temp_relation = make_temp_relation(named) -%}
    {%- do run_query(get_create_table_as_sql(True, temp_relation, get_empty_subquery_sql(sql))) -%}
    {%- set types = {} -%}
    {%- set quoted = {} -%}
    {%- for column in adapter.get_columns_in_relation(temp_relation) -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
        {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- set expected_quoted = [] -%}
    {%- for column in expected_columns -%}
        {%- do expected_quoted.append(quoted[column | lower]) -%}
    {%- endfor -%}

    {%- call statement('main', fetch_result=True) -%}
        {{ get_unit_test_sql(sql, expected_sql or get_expected_sql(expected_rows, types, quoted), expected_quoted) }}
    {%- endcall -%}

    {%- do adapter.drop_relation(temp_relation) -%}
    {{ return({'relations': []}) }}
{%- endmaterialization -%}
