{#-
  Holds a table that was just filled to its contract (not null, checks, primary key), on engines that take the constraints of
  a contract and do not enforce them; a post-hook. A row against it fails the model, so nothing is built on it.
-#}
{% macro hold_to_contract(relation) -%}
    {{ return(adapter.dispatch('hold_to_contract', 'lead_sla')(relation)) }}
{%- endmacro %}

{#- The engine itself refuses such a row. -#}
{% macro default__hold_to_contract(relation) -%}
{%- endmacro %}

{% macro spark__hold_to_contract(relation) -%}
    {%- set broken = {} -%}
    {%- set keys = [] -%}
    {%- for column in model.columns.values() -%}
        {%- for constraint in column.constraints -%}
            {%- if constraint.type == 'not_null' -%}
                {%- do broken.update({column.name ~ ' is empty': column.name ~ ' is null'}) -%}
            {%- elif constraint.type == 'check' -%}
                {%- do broken.update({'against ' ~ constraint.expression: 'not (' ~ constraint.expression ~ ')'}) -%}
            {%- elif constraint.type in ['primary_key', 'unique'] -%}
                {%- do keys.append([column.name]) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for constraint in model.constraints -%}
        {%- if constraint.type == 'check' -%}
            {%- do broken.update({'against ' ~ constraint.expression: 'not (' ~ constraint.expression ~ ')'}) -%}
        {%- elif constraint.type in ['primary_key', 'unique'] -%}
            {%- do keys.append(constraint.columns) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set told = [] -%}
    {%- if execute and broken -%}
        {%- set counts = [] -%}
        {%- for condition in broken.values() -%}
            {%- do counts.append('count(case when ' ~ condition ~ ' then 1 end)') -%}
        {%- endfor -%}
        {%- set found = run_query('select ' ~ counts | join(', ') ~ ' from ' ~ relation).rows[0] -%}
        {%- for what in broken -%}
            {%- if found[loop.index0] -%}
                {%- do told.append(found[loop.index0] ~ ' row(s): ' ~ what) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for key in keys if execute -%}
        {%- set named = key | join(', ') -%}
        {%- set found = run_query('select count(*) from (select 1 from ' ~ relation ~ ' group by ' ~ named ~ ' having count(*) > 1) as doubled').rows[0][0] -%}
        {%- if found -%}
            {%- do told.append(found ~ ' key(s) more than once: ' ~ named) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if told -%}
        {%- do exceptions.raise_compiler_error(relation.identifier ~ ' is against its contract: ' ~ told | join('; ')) -%}
    {%- endif -%}
{%- endmacro %}
