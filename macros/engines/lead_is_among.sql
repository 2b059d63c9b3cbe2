{#- Whether a row is of one of some leads, which a query in parentheses names (`lead_id`): of few, among many rows. -#}
{% macro lead_is_among(leads) -%}
    {{ return(adapter.dispatch('lead_is_among', 'lead_sla')(leads)) }}
{%- endmacro %}

{% macro default__lead_is_among(leads) -%}
    lead_id in {{ leads }}
{%- endmacro %}

{#-
  DuckDB sifts rows by what it looks for while it reads them, before it decodes their other columns: by the first bytes where
  the values lie near each other, which sifts nothing where all ids begin alike; by hashes where they lie far apart. The first and
  the last text that there can be lie far apart in every company. Whose id is one of the two is left out by the second look.
-#}
{% macro duckdb__lead_is_among(leads) -%}
    lead_id in (select lead_id from {{ leads }} union all select '' union all select chr(1114111)) and lead_id in {{ leads }}
{%- endmacro %}
