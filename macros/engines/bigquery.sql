{#- What BigQuery does in its own way. Its `timestamp` is an instant, which it reads and writes in UTC; its `datetime` does not occur here. -#}

{#- dbt-bigquery makes a datetime of what it adds to, which does not compare with a timestamp. -#}
{% macro bigquery__dateadd(datepart, interval, from_date_or_timestamp) -%}
    cast(datetime_add(cast({{ from_date_or_timestamp }} as datetime), interval {{ interval }} {{ datepart }}) as timestamp)
{%- endmacro %}

{% macro bigquery__add_microseconds(instant, microseconds) -%}
    timestamp_add({{ instant }}, interval {{ microseconds }} microsecond)
{%- endmacro %}

{% macro bigquery__microseconds_between(first, second) -%}
    timestamp_diff({{ second }}, {{ first }}, microsecond)
{%- endmacro %}

{#- The wall-clock time as the instant at which a clock in UTC shows it. -#}
{% macro bigquery__utc_to_local(instant, time_zone) -%}
    cast(datetime({{ instant }}, {{ time_zone }}) as timestamp)
{%- endmacro %}

{% macro bigquery__timestamp_text(instant) -%}
    rtrim(rtrim(format_timestamp('%Y-%m-%d %H:%M:%E6S', {{ instant }}), '0'), '.')
{%- endmacro %}

{% macro bigquery__number_of(columns) -%}
    farm_fingerprint({{ key_text(columns) }})
{%- endmacro %}

{% macro bigquery__type_double() -%}
    float64
{%- endmacro %}

{#- BigQuery has no list of them: those of dbt's own pytz. -#}
{% macro bigquery__time_zone_names() -%}
    select time_zone from unnest(split('{{ modules.pytz.all_timezones | join(" ") }}', ' ')) as time_zone
{%- endmacro %}

{#- Every dataset has an information schema of its own. -#}
{% macro bigquery__column_names(relation) -%}
    select lower(column_name) as column_name
    from {{ relation.include(identifier=false) }}.INFORMATION_SCHEMA.COLUMNS
    where table_name = '{{ relation.identifier }}'
{%- endmacro %}

{#- BigQuery interpolates in windows alone, and its APPROX_QUANTILES is what it is called. -#}
{% macro bigquery__percentile(value, share, beside) -%}
    {%- set values = 'array_agg(' ~ value ~ ' ignore nulls order by ' ~ value ~ ')' -%}
    {%- set place = share ~ ' * (count(' ~ value ~ ') - 1)' -%}
    {%- set below = values ~ '[safe_offset(cast(floor(' ~ place ~ ') as int64))]' -%}
    {%- set above = values ~ '[safe_offset(cast(ceil(' ~ place ~ ') as int64))]' -%}
    {{ below }} + ({{ above }} - {{ below }}) * ({{ place }} - floor({{ place }}))
{%- endmacro %}

{#- The types of the contracts, in its own words. -#}
{% macro bigquery_type(data_type) -%}
    {{ return({'varchar': 'string', 'double': 'float64', 'integer': 'int64', 'bigint': 'int64', 'boolean': 'bool'}.get(data_type, data_type)) }}
{%- endmacro %}

{% macro bigquery__get_assert_columns_equivalent(sql) -%}
    {%- for column in model.columns.values() -%}
        {%- do column.update({'data_type': bigquery_type(column.data_type)}) -%}
    {%- endfor -%}
    {{ return(assert_columns_equivalent(sql)) }}
{%- endmacro %}

{#- A load job takes a type without its precision. -#}
{% macro bigquery__load_csv_rows(model, agate_table) -%}
    {%- set types = {} -%}
    {%- for column, data_type in model['config'].get('column_types', {}).items() -%}
        {%- do types.update({column: 'numeric' if data_type.startswith('decimal') else bigquery_type(data_type)}) -%}
    {%- endfor -%}
    {%- do model['config'].update({'column_types': types}) -%}
    {{ return(dbt.bigquery__load_csv_rows(model, agate_table)) }}
{%- endmacro %}

{% macro bigquery__prepare_raw_tables() -%}
    {%- set offset = run_query("select format_timestamp('%z', timestamp '2026-07-01 00:00:00+00')").rows[0][0] -%}
    {%- if offset != '+0000' -%}
        {%- do refuse("the default time zone of project " ~ target.project ~ " is " ~ offset ~ " from UTC, and everything here is UTC: alter project `" ~ target.project ~ "` set options (`region-....default_time_zone` = 'UTC')") -%}
    {%- endif -%}
    {%- do prepare_loaded_tables({
        'varchar': ['string'],
        'boolean': ['bool', 'boolean'],
        'date': ['date'],
        'bigint': ['int64', 'integer'],
        'timestamp': ['timestamp'],
        'decimal': ['numeric', 'int64', 'integer'],
    }, {'varchar': 'string'}) -%}
{%- endmacro %}

{#- It takes primary keys, and enforces none; checks it has not. -#}
{% macro bigquery__hold_to_contract(relation) -%}
    {{ return(spark__hold_to_contract(relation)) }}
{%- endmacro %}
