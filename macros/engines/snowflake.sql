{#- What Snowflake does in its own way. Its `timestamp` has no zone (TIMESTAMP_NTZ) unless an account says otherwise, which a build refuses. -#}

{% macro snowflake__utc_to_local(instant, time_zone) -%}
    convert_timezone('UTC', {{ time_zone }}, {{ instant }})
{%- endmacro %}

{#- A cast would follow the session's TIMESTAMP_OUTPUT_FORMAT. Zeros go from behind a point alone, so that a whole second keeps its own. -#}
{% macro snowflake__timestamp_text(instant) -%}
    regexp_replace(
        regexp_replace(to_char({{ instant }}, 'YYYY-MM-DD HH24:MI:SS.FF6'), '([.][0-9]*[1-9])0+$', '\\1'), '[.]0+$', ''
    )
{%- endmacro %}

{% macro snowflake__number_of(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{#- Snowflake has no list of them: those of dbt's own pytz. -#}
{% macro snowflake__time_zone_names() -%}
    select cast(names.value as varchar) as time_zone
    from table(flatten(input => split('{{ modules.pytz.all_timezones | join(" ") }}', ' '))) as names
{%- endmacro %}

{#- `trigger` is a reserved word there, and what is quoted keeps its small letters. -#}
{% macro snowflake__column_named(name) -%}
    {{- '"trigger"' if name == 'trigger' else name -}}
{%- endmacro %}

{% macro snowflake__create_csv_table(model, agate_table) -%}
    {{ return(dbt.snowflake__create_csv_table(model, snowflake_quoted(agate_table))) }}
{%- endmacro %}

{% macro snowflake__load_csv_rows(model, agate_table) -%}
    {{ return(dbt.snowflake__load_csv_rows(model, snowflake_quoted(agate_table))) }}
{%- endmacro %}

{% macro snowflake_quoted(agate_table) -%}
    {%- set names = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- do names.append(snowflake__column_named(name) | string) -%}
    {%- endfor -%}
    {{ return(agate_table.rename(column_names=names)) }}
{%- endmacro %}

{% macro snowflake__prepare_raw_tables() -%}
    {%- set mapping = run_query("show parameters like 'TIMESTAMP_TYPE_MAPPING' in session").rows -%}
    {%- if mapping and mapping[0][1] != 'TIMESTAMP_NTZ' -%}
        {%- do refuse("a timestamp is a " ~ mapping[0][1] ~ " in this session, and instants here have no zone: alter user " ~ target.user ~ " set timestamp_type_mapping = 'TIMESTAMP_NTZ'") -%}
    {%- endif -%}
    {%- do prepare_loaded_tables({
        'varchar': ['varchar', 'text', 'string', 'character varying'],
        'boolean': ['boolean'],
        'date': ['date'],
        'bigint': ['number', 'fixed'],
        'timestamp': ['timestamp_ntz'],
        'decimal': ['number', 'fixed'],
    }) -%}
{%- endmacro %}

{#- With a comma: what stands before `in` may hold no operator there. -#}
{% macro snowflake__position(substring_text, string_text) -%}
    position({{ substring_text }}, {{ string_text }})
{%- endmacro %}

{#- It takes primary keys and checks, and enforces neither. -#}
{% macro snowflake__hold_to_contract(relation) -%}
    {{ return(spark__hold_to_contract(relation)) }}
{%- endmacro %}
