{#-
  A number for each row of a query, in no order: what stands in for an id within one run. An engine that would bring all rows
  to one worker to number them has numbers with gaps instead.
-#}
{% macro row_numbers() -%}
    {{ return(adapter.dispatch('row_numbers', 'lead_sla')()) }}
{%- endmacro %}

{% macro default__row_numbers() -%}
    row_number() over (order by 1)
{%- endmacro %}

{% macro duckdb__row_numbers() -%}
    row_number() over ()
{%- endmacro %}

{% macro spark__row_numbers() -%}
    monotonically_increasing_id()
{%- endmacro %}
