{#-
  Whoever reads with BI tools gets the marts, and nothing else: the role of LEAD_SLA_POSTGRES_READER, where it is set. As the
  post-hook of a mart it takes effect with the very transaction that puts the new table into its place.
-#}
{% macro let_readers_in(relation) -%}
    {{ return(adapter.dispatch('let_readers_in', 'lead_sla')(relation)) }}
{%- endmacro %}

{% macro default__let_readers_in(relation) -%}
{%- endmacro %}

{% macro postgres__let_readers_in(relation) -%}
    {%- if env_var('LEAD_SLA_POSTGRES_READER', '') -%}
        grant select on {{ relation }} to {{ postgres_reader() }}
    {%- endif -%}
{%- endmacro %}

{#- The statements that open the schema of the marts to its readers, once a run: many models granting it at once would get in each other's way. -#}
{% macro postgres_opened_marts() -%}
    {%- set reader = env_var('LEAD_SLA_POSTGRES_READER', '') -%}
    {%- if not reader -%}
        {{ return([]) }}
    {%- endif -%}
    {%- if not run_query('select 1 from pg_roles where rolname = ' ~ dbt.string_literal(reader | replace("'", "''"))).rows -%}
        {%- do refuse('there is no role ' ~ reader ~ ' (LEAD_SLA_POSTGRES_READER): create it, and grant it to whoever reads') -%}
    {%- endif -%}
    {{ return(['create schema if not exists marts', 'grant usage on schema marts to ' ~ postgres_reader()]) }}
{%- endmacro %}

{% macro postgres_reader() -%}
    {{ return('"' ~ env_var('LEAD_SLA_POSTGRES_READER') | replace('"', '""') ~ '"') }}
{%- endmacro %}
