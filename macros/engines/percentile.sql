{#-
  An aggregate: the value below which a share (0 to 1) of the values lies, interpolated between the two nearest ones. Exact, since
  people check a median by hand.
-#}
{% macro percentile(value, share) -%}
    {{ return(adapter.dispatch('percentile', 'lead_sla')(value, share)) }}
{%- endmacro %}

{% macro default__percentile(value, share) -%}
    percentile_cont({{ share }}) within group (order by {{ value }})
{%- endmacro %}
