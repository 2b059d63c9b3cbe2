{#-
  dbt's own macros of time, for Spark. Those of dbt-spark cut an instant to its second, end the query at a null, and rest on
  `to_timestamp(number)`, which other engines behind Spark's protocol read as microseconds.
-#}
{% macro spark__dateadd(datepart, interval, from_date_or_timestamp) -%}
    timestampadd({{ datepart }}, cast({{ interval }} as bigint), cast({{ from_date_or_timestamp }} as timestamp))
{%- endmacro %}

{#- Like everywhere in dbt: the bounds of days or seconds that lie between, not the whole ones that have passed. -#}
{% macro spark__datediff(first_date, second_date, datepart) -%}
    {%- if datepart == 'day' -%}
        datediff(cast({{ second_date }} as date), cast({{ first_date }} as date))
    {%- elif datepart == 'second' -%}
        (unix_seconds(cast({{ second_date }} as timestamp)) - unix_seconds(cast({{ first_date }} as timestamp)))
    {%- elif datepart == 'microsecond' -%}
        {{ microseconds_between(first_date, second_date) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("datediff in '" ~ datepart ~ "' is not asked for in this project, and not worked out for Spark") }}
    {%- endif -%}
{%- endmacro %}

{#- Made where it is needed, a part by each executor, and whole numbers: dbt's is a sum of powers, which Spark makes floating ones. -#}
{% macro spark__generate_series(upper_bound) -%}
    select id as generated_number from range(1, {{ upper_bound }} + 1)
{%- endmacro %}
