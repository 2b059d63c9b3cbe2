{#- Whether the models of this run hold some leads only. -#}
{% macro is_increment() -%}
    {%- if var('compile_as_increment', false) -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(is_real_run() and not batch_is_full()) }}
{%- endmacro %}

{#- The leads of the batch. Named while dbt reads the project, so that it knows the order; and then only where they matter. -#}
{% macro batch() -%}
    {%- if not execute or is_real_run() or var('compile_as_increment', false) -%}
        {{ return('(select lead_id from ' ~ ref('stg_crm__batch') ~ ')') }}
    {%- endif -%}
{%- endmacro %}

{#- The same, for what runs with a kept model, when the batch has long been made. -#}
{% macro batch_relation() -%}
    (select lead_id from {{ as_it_stands('stg_crm__batch') }})
{%- endmacro %}

{#- A model as it is there, without a reference to it: for what comes before it, and reads what the run before has left. -#}
{% macro as_it_stands(name) -%}
    {{ graph.nodes['model.' ~ project_name ~ '.' ~ name].relation_name }}
{%- endmacro %}

{#-
  The rows of a raw table that staging reads: all of them, or those of the leads of the batch. They are whole, too, of records
  that move from lead to lead: the batch has all leads on which a record of them ever was (stg_crm__moves).
-#}
{% macro rows_of_the_batch(table) -%}
    {%- do batch() -%}
    select * from {{ source('crm', table) }}
    {%- if is_increment() %}
        where {{ lead_is_among(batch()) }}
    {%- endif -%}
{%- endmacro %}

{#-
  The rows of a raw table for a model that is only added to: in an increment what has become visible since the run from which
  it goes on. All of them where the model is made anew, or is a view.
-#}
{% macro rows_to_add(table) -%}
    {#- Named while dbt reads the project, so that it knows the order. -#}
    {%- do [batch(), as_of() if not execute] -%}
    {%- if is_increment() and model.config.materialized == 'incremental' -%}
        {{ new_rows(table) }}
    {%- else -%}
        select * from {{ source('crm', table) }}
    {%- endif -%}
{%- endmacro %}

{#-
  The `as_of` from which an increment goes on, as a literal: engines skip by it what they need not read. What was loaded and
  happened by then has been seen.
-#}
{% macro since() -%}
    {%- set compiled_as = var('compile_as_increment', false) -%}
    {%- set as_of = compiled_as or run_query('select ' ~ timestamp_text('since_as_of') ~ ' from increments.opened').rows[0][0] -%}
    cast({{ dbt.string_literal(as_of) }} as timestamp)
{%- endmacro %}

{#- Whether `as_of` has passed an instant since then. -#}
{% macro has_just_passed(instant) -%}
    ({{ instant }} > {{ since() }} and {{ instant }} <= {{ as_of() }})
{%- endmacro %}
