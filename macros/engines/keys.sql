{#-
  DuckDB would keep an index for a primary key, which costs more than the rest of a large fact, and cannot replace rows of one
  key within a transaction. So a key is checked by a query instead (`hold_to_contract`), in the transaction that writes the
  table: rows that break it leave the table as it was, just as a constraint's would.
-#}
{% macro duckdb__get_table_columns_and_constraints() -%}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=model.columns) -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=model.constraints | rejectattr('type', 'equalto', 'primary_key') | list) -%}
    ({{ (columns + constraints) | join(', ') }})
{%- endmacro %}

{% macro duckdb__hold_to_contract(relation) -%}
    {%- set keys = model.constraints | selectattr('type', 'equalto', 'primary_key') | list -%}
    {%- if keys and execute -%}
        {%- set key = keys[0].columns | join(', ') -%}
        {%- set touched = 'true' -%}
        {%- if model.config.materialized == 'incremental' and is_increment() -%}
            {#- What this run has written can break the key among its own leads, or, where the lead is no part of it, beside any other row. -#}
            {%- set touched = 'lead_id in ' ~ batch_relation() -%}
            {%- if 'lead_id' not in keys[0].columns -%}
                {%- set touched = '(' ~ key ~ ') in (select (' ~ key ~ ') from ' ~ relation ~ ' where ' ~ touched ~ ')' -%}
            {%- endif -%}
        {%- endif -%}
        select error('Constraint Error: ' || {{ dbt.string_literal(model.name ~ ' has more than one row of ' ~ key ~ ' ') }} || min(key))
        from (
            select any_value(concat_ws(', ', {{ key }})) as key
            from {{ relation }}
            where {{ touched }}
            group by {{ key }}
            having count(*) > 1
        )
        having count(*) > 0
    {%- endif -%}
{%- endmacro %}
