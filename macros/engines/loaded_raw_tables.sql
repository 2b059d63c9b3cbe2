{#-
  Where a loader fills the tables of schema `raw` (docs/loading.md): what the contract calls optional and the loader does not know is
  added here, empty; what does not fit the contract is refused.

  family    a mapping: type of the contract -> the engine's types that can stand for it without losing anything
  words     a mapping: type of the contract -> the engine's own word for it, where it has another
-#}
{% macro prepare_loaded_tables(family, words={}) -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'crm') -%}
        {%- set found = adapter.get_relation(table.database, table.schema, table.identifier) -%}
        {%- if not found and not raw_is_optional(table) -%}
            {%- do refuse("table raw." ~ table.name ~ " is missing, and the build cannot do without it: load it (docs/loading.md)", table.name) -%}
        {%- endif -%}
        {%- set types = {} -%}
        {%- for column in adapter.get_columns_in_relation(found) if found -%}
            {%- do types.update({column.name | lower: column.dtype | lower}) -%}
        {%- endfor -%}
        {%- set missing = [] -%}
        {%- for column in table.columns.values() -%}
            {%- set there = types.get(column.name) -%}
            {%- set wanted = column.data_type.split('(')[0] -%}
            {%- if there and there.split('(')[0] not in family[wanted] -%}
                {%- do refuse("column " ~ column.name ~ " of table raw." ~ table.name ~ " is " ~ there ~ ", where the contract says " ~ column.data_type ~ ": load it in the type of the contract, or make raw." ~ table.name ~ " a view that casts it (docs/loading.md)", table.name, column.name) -%}
            {%- elif not there and found and not raw_is_optional(column) -%}
                {%- do refuse("table raw." ~ table.name ~ " has no column " ~ column.name ~ " (" ~ column.data_type ~ "): load it, or make raw." ~ table.name ~ " a view that maps it (docs/loading.md)", table.name, column.name) -%}
            {%- elif not there and found and not found.is_table -%}
                {%- do refuse("raw." ~ table.name ~ " is a view without column " ~ column.name ~ ": add cast(null as " ~ column.data_type ~ ") as " ~ column.name ~ " to it", table.name, column.name) -%}
            {%- elif not there -%}
                {%- do missing.append(column.name ~ ' ' ~ words.get(column.data_type, column.data_type)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if not found -%}
            {%- set made = api.Relation.create(table.database, table.schema, table.identifier) -%}
            {%- do adapter.create_schema(made) -%}
            {%- do run_query('create table ' ~ made ~ ' (' ~ missing | join(', ') ~ ')') -%}
        {%- else -%}
            {%- for column in missing -%}
                {%- do run_query('alter table ' ~ found ~ ' add column ' ~ column) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
