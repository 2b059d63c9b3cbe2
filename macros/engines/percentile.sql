{#-
  An aggregate: the value below which a share (0 to 1) of the values lies, interpolated between the two nearest ones. Exact, since
  people check a median by hand. `beside` are the other shares of the same values that a query asks for: an engine may find them all
  at once.
-#}
{% macro percentile(value, share, beside=[]) -%}
    {{ return(adapter.dispatch('percentile', 'lead_sla')(value, share, beside)) }}
{%- endmacro %}

{% macro default__percentile(value, share, beside) -%}
    percentile_cont({{ share }}) within group (order by {{ value }})
{%- endmacro %}

{#- DuckDB works out one aggregate for all columns in which it is written alike. -#}
{% macro duckdb__percentile(value, share, beside) -%}
    {%- set shares = ([share] + beside) | sort -%}
    quantile_cont({{ value }}, [{{ shares | join(', ') }}])[{{ shares.index(share) + 1 }}]
{%- endmacro %}
