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
