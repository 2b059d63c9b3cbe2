{#- The month-end forecast looks at this many full days behind it. -#}
{% macro forecast_days() -%}
    {{ return(28) }}
{%- endmacro %}

{#- The 90 % quantile of the normal distribution: half of an 80 % interval. A Poisson count of mean m has variance m. -#}
{% macro normal_quantile_90() -%}
    1.2815515655446004
{%- endmacro %}
