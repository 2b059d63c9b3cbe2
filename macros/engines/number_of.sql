{#-
  The number that stands for a key: models join, sort and group by it more cheaply than by the ids that it is made of. The
  same key has the same number in every run, so what one run has left can be joined with what another makes. Of 64 bits, so
  two of ten million leads share one in one company of hundreds of thousands; the `unique_key` tests of the models that make
  numbers would find them. An engine without a cheap number has a text.
-#}
{% macro number_of(columns) -%}
    {{ return(adapter.dispatch('number_of', 'lead_sla')(columns)) }}
{%- endmacro %}

{% macro default__number_of(columns) -%}
    {{ surrogate_key(columns) }}
{%- endmacro %}

{% macro duckdb__number_of(columns) -%}
    cast(hash({{ columns | join(', ') }}) >> 1 as bigint)
{%- endmacro %}

{% macro postgres__number_of(columns) -%}
    hashtextextended({{ key_text(columns) }}, 0)
{%- endmacro %}

{% macro spark__number_of(columns) -%}
    xxhash64({{ columns | join(', ') }})
{%- endmacro %}
