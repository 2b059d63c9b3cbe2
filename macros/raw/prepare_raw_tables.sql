{#-
  Runs before every build: checks what the loader landed against the raw contract (models/staging/crm/_crm__sources.yml),
  and makes the tables of schema `raw` readable under exactly the contract's names and types. A refusal is one sentence
  that says what is wrong, where, and what to do; nothing has been built by then.
-#}
{% macro prepare_raw_tables() -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'test', 'freshness', 'source'] -%}
        {%- do check_settings() -%}
        {%- do adapter.dispatch('prepare_raw_tables', 'lead_sla')() -%}
    {%- endif -%}
{%- endmacro %}

{#- Settings that would only show as a strange number, or as an engine's error in the middle of the run. -#}
{% macro check_settings() -%}
    {%- for name in (invocation_args_dict.vars or {}) if name not in ['as_of', 'reporting_time_zone', 'default_calendar', 'pacing', 'pace_tolerance'] -%}
        {%- do refuse("var " ~ name ~ " is none of this project: they are as_of, reporting_time_zone, default_calendar, pacing and pace_tolerance") -%}
    {%- endfor -%}
    {%- set as_of_form = modules.re.compile('^([1-9]\\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])([ T]([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,6})?)?Z?)?$') -%}
    {%- set as_of = (var('as_of') or '') | string | trim -%}
    {%- set found = as_of_form.match(as_of) -%}
    {%- if as_of and not found -%}
        {%- do refuse("var as_of is '" ~ as_of ~ "': give a UTC timestamp such as '2026-05-01 12:00:00', without another offset") -%}
    {%- elif as_of -%}
        {%- set year, month, day = found[1] | int, found[2] | int, found[3] | int -%}
        {%- set is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) -%}
        {#- 31 and 30 by turns, and begun anew with August. -#}
        {%- if day > ((29 if is_leap else 28) if month == 2 else 31 - (month - 1) % 7 % 2) -%}
            {%- do refuse("var as_of is '" ~ as_of ~ "', and that month has no such day") -%}
        {%- endif -%}
    {%- endif -%}
    {%- if var('pacing') not in ['calendar_days', 'business_days'] -%}
        {%- do refuse("var pacing is '" ~ var('pacing') ~ "': it is calendar_days or business_days") -%}
    {%- endif -%}
    {%- if not (0 <= var('pace_tolerance') | float(-1) < 1) -%}
        {%- do refuse("var pace_tolerance is '" ~ var('pace_tolerance') ~ "': it is a share from 0 to below 1") -%}
    {%- endif -%}
{%- endmacro %}

{#-
  For the gate (lead_sla/gate), which wants every problem of what was landed and not the first alone: makes the tables readable
  as a build would, and writes down what a build would refuse. What does not fit the contract is null there.
  Leaves schema `raw`, and in it `contract_problems` (one row per problem). `dbt run-operation collect_raw_problems`
-#}
{% macro collect_raw_problems() -%}
    {%- do run_query('create schema if not exists raw') -%}
    {%- do run_query('create table raw.contract_problems (table_name varchar, column_name varchar, problem varchar)') -%}
    {%- do adapter.dispatch('prepare_raw_tables', 'lead_sla')() -%}
{%- endmacro %}

{#- Ends the run with a sentence; where problems are collected, writes it down and goes on. -#}
{% macro refuse(problem, table=none, column=none) -%}
    {%- if flags.WHICH == 'run-operation' -%}
        {%- set values = [] -%}
        {%- for value in (table, column, problem) -%}
            {%- do values.append(dbt.string_literal(value | replace("'", "''")) if value else 'null') -%}
        {%- endfor -%}
        {%- do run_query('insert into raw.contract_problems values (' ~ values | join(', ') ~ ')') -%}
    {%- else -%}
        {{ exceptions.raise_compiler_error('[raw] ' ~ problem ~ '. Nothing was built.') }}
    {%- endif -%}
{%- endmacro %}

{#- Elsewhere a loader fills the tables of schema `raw`; the database itself names one that is missing. -#}
{% macro default__prepare_raw_tables() -%}
{%- endmacro %}

{% macro raw_is_optional(contract) -%}
    {{ return((contract.config.get('meta') or contract.meta or {}).get('optional', false)) }}
{%- endmacro %}
