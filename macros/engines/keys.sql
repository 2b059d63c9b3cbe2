{#-
  DuckDB would keep an index for a primary key, which costs more than the rest of a large fact, and cannot replace rows of one
  key within a transaction. So a key is checked by a query instead (`hold_to_contract`), in the transaction that writes the
  table: rows that break it leave the table as it was, just as a constraint's would.
-#}
{% macro duckdb__get_table_columns_and_constraints() -%}
    {%- set columns = [] -%}
    {%- for name, column in model.columns.items() -%}
        {%- do columns.append(adapter.render_raw_columns_constraints(raw_columns={name: column})[0] ~ duckdb_compression(name)) -%}
    {%- endfor -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=model.constraints | rejectattr('type', 'equalto', 'primary_key') | list) -%}
    ({{ (columns + constraints) | join(', ') }})
{%- endmacro %}

{% macro duckdb__hold_to_contract(relation) -%}
    {%- set keys = model.constraints | selectattr('type', 'equalto', 'primary_key') | list -%}
    {%- if keys and execute -%}
        {%- set key = keys[0].columns | join(', ') -%}
        {%- set rows, looked_up, with_lead = relation, '', keys[0].columns + (model.config.meta.get('key_made_of') or []) -%}
        {%- if model.config.materialized == 'incremental' and is_increment() -%}
            {#- What was kept is other leads': rows of this run break the key among each other, or, where the lead is no part of it, beside any row. -#}
            {%- set rows = rows_of_this_run() -%}
            {%- if 'lead_id' not in with_lead -%}
                {#- Few of many: looked up once, for both readings below. -#}
                {%- set looked_up = 'rows_of_the_keys as (select ' ~ key ~ ' from ' ~ relation ~ ' where (' ~ key ~ ') in (select (' ~ key ~ ') from ' ~ rows ~ ')), ' -%}
                {%- set rows = 'rows_of_the_keys' -%}
            {%- endif -%}
        {%- endif -%}
        {#- Numbers that stand in for the keys are counted; only where one comes twice are the keys themselves. -#}
        with {{ looked_up }}doubled as (
            select {{ stand_in(key) }} as stand_in
            from {{ rows }}
            group by {{ stand_in(key) }}
            having count(*) > 1
        )
        select error('Constraint Error: ' || {{ dbt.string_literal(model.name ~ ' has more than one row of ' ~ key ~ ' ') }} || min(key))
        from (
            select any_value(concat_ws(', ', {{ key }})) as key
            from {{ rows }}
            where {{ stand_in(key) }} in (select stand_in from doubled)
            group by {{ key }}
            having count(*) > 1
        )
        having count(*) > 0
    {%- endif -%}
{%- endmacro %}
