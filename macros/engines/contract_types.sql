{#-
  Contracts name their types in DuckDB's words. dbt asks here first of all whether a model's columns have the types of its
  contract, and then makes the table from the same columns: so this is where they get the engine's own words.
-#}
{% macro postgres__get_assert_columns_equivalent(sql) -%}
    {%- for column in model.columns.values() if column.data_type == 'double' -%}
        {%- do column.update({'data_type': type_double()}) -%}
    {%- endfor -%}
    {{ return(assert_columns_equivalent(sql)) }}
{%- endmacro %}

{#- In Spark a `varchar` has a length; a text without one is a `string`. -#}
{% macro spark__get_assert_columns_equivalent(sql) -%}
    {%- for column in model.columns.values() -%}
        {%- do column.update({'data_type': spark_type(column.data_type)}) -%}
    {%- endfor -%}
    {{ return(assert_columns_equivalent(sql)) }}
{%- endmacro %}

{% macro spark_type(data_type) -%}
    {{ return('string' if data_type == 'varchar' else data_type) }}
{%- endmacro %}
