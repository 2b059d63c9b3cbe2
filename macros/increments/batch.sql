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
    (select lead_id from {{ graph.nodes['model.' ~ project_name ~ '.stg_crm__batch'].relation_name }})
{%- endmacro %}

{#-
  The rows of a raw table that staging reads: all of them, or those of the leads of the batch. A record that moves from lead
  to lead (an activity, a deal) comes with all its versions, on whatever lead they are: name the column of its id.
-#}
{% macro rows_of_the_batch(table, id='lead_id') -%}
    {%- do batch() -%}
    {%- set raw = source('crm', table) -%}
    select * from {{ raw }}
    {%- if is_increment() and id == 'lead_id' %}
        where lead_id in {{ batch() }}
    {%- elif is_increment() %}
        where {{ id }} in (select {{ id }} from {{ raw }} where lead_id in {{ batch() }})
    {%- endif -%}
{%- endmacro %}

{#-
  The CTEs of a model that reads these rows several times. A full build names the raw table anew in each: engines keep a CTE that
  is read more than once. The few rows of an increment are better kept than looked for again.
-#}
{% macro readings_of_the_batch(table, id, names) -%}
    {%- set rows = rows_of_the_batch(table, id) -%}
    {%- if is_increment() -%}
kept_rows as (
    {{ rows }}
),

        {%- set rows = 'select * from kept_rows' %}

{% endif -%}
    {%- for name in names -%}
{{ name }} as (
    {{ rows }}
),
        {%- if not loop.last %}

{% endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- The condition that a record, in its current version, is one of a lead of the batch. -#}
{% macro is_in_the_batch(lead_id) -%}
    {%- do batch() -%}
    {{ lead_id ~ ' in ' ~ batch() if is_increment() else 'true' }}
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
