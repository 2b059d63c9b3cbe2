{#- What Databricks does otherwise than Spark, whose macros it takes where there is none of its own. -#}

{#- Unity Catalog has an information schema, which open Spark has not. -#}
{% macro databricks__column_names(relation) -%}
    select lower(column_name) as column_name
    from {{ relation.database }}.information_schema.columns
    where table_schema = '{{ relation.schema | lower }}' and table_name = '{{ relation.identifier | lower }}'
{%- endmacro %}

{#- Instants have a zone there: in a session of another one they would be read, cast and written otherwise. -#}
{% macro databricks__prepare_raw_tables() -%}
    {%- set zone = run_query('select current_timezone()').rows[0][0] -%}
    {%- if zone not in ['UTC', 'Etc/UTC'] -%}
        {%- do refuse("the session is in the time zone " ~ zone ~ ", and everything here is UTC: set session_properties: {timezone: UTC} in profiles.yml") -%}
    {%- endif -%}
    {%- do prepare_loaded_tables({
        'varchar': ['string', 'varchar'],
        'boolean': ['boolean'],
        'date': ['date'],
        'bigint': ['tinyint', 'smallint', 'int', 'bigint'],
        'timestamp': ['timestamp'],
        'decimal': ['decimal', 'tinyint', 'smallint', 'int', 'bigint'],
    }, {'varchar': 'string'}) -%}
{%- endmacro %}

{#- In Databricks, as in Spark, a `varchar` has a length; a text without one is a `string`. -#}
{% macro databricks__create_csv_table(model, agate_table) -%}
    {%- do databricks_type_seed(model) -%}
    {{ return(dbt.databricks__create_csv_table(model, agate_table)) }}
{%- endmacro %}

{% macro databricks__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- do databricks_type_seed(model) -%}
    {{ return(dbt.databricks__reset_csv_table(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}

{% macro databricks_type_seed(model) -%}
    {%- for column, data_type in model['config'].get('column_types', {}).copy().items() if data_type == 'varchar' -%}
        {%- do model['config']['column_types'].update({column: 'string'}) -%}
    {%- endfor -%}
{%- endmacro %}
