{#-
  The only clock of the project: the instant up to which the marts know the world.
  A scalar subquery, so that compiled SQL does not change from run to run and a unit test
  can hand in the clock as a row of `stg_crm__clock`.
-#}
{% macro as_of() -%}
    (select clock.as_of from {{ ref('stg_crm__clock') }} as clock)
{%- endmacro %}

{#- `var('as_of')` as a timestamp, null where it is not given: for the models that make the clock. -#}
{% macro as_of_given() -%}
    {%- if var('as_of') -%}
        cast('{{ var("as_of") | string | trim | replace("T", " ") | replace("Z", "") }}' as timestamp)
    {%- else -%}
        cast(null as timestamp)
    {%- endif -%}
{%- endmacro %}
