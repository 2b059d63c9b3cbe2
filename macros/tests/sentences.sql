{#
    Every test of our own answers with sentences: one column `problem`, which names the seed or model, the row by its key,
    and what to do. A sentence is written as a template: what stands in {braces} is a SQL expression, shown as text.

        sentence("persona {persona} has no {a + b}")
        ->  'persona ' || <persona as text> || ' has no ' || <a + b as text>
#}
{% macro sentence(template) -%}
    {%- set parts = [] -%}
    {%- for piece in modules.re.split("[{}]", template) -%}
        {%- if loop.index0 is odd -%}
            {%- do parts.append("coalesce(cast(" ~ piece ~ " as " ~ dbt.type_string() ~ "), '(empty)')") -%}
        {%- elif piece -%}
            {%- do parts.append("'" ~ dbt.escape_single_quotes(piece) ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {{- parts | join(" || ") -}}
{%- endmacro %}


{# The start of every sentence, as a template: `sales_sla_rules (rule_id {rule_id}, valid_from {valid_from}): `. #}
{% macro row_named(relation, key) -%}
    {%- set named = [] -%}
    {%- for column in key -%}
        {%- do named.append(column ~ " {" ~ column ~ "}") -%}
    {%- endfor -%}
    {{- tested_name(relation) }} ({{ named | join(", ") }}): {# #}
{%- endmacro %}


{#
    The name of what is tested. Under a `where` config dbt hands a test a subquery in place of the relation; the test's own
    node (`model`, outside of the test) knows the name then.
#}
{% macro tested_name(relation) -%}
    {%- if relation is string -%}
        {{- (model.attached_node or model.file_key_name).split(".")[-1] -}}
    {%- else -%}
        {{- relation.identifier -}}
    {%- endif -%}
{%- endmacro %}


{# Values as a SQL list: ('a', 'b'). #}
{% macro text_list(values) -%}
    {%- set quoted = [] -%}
    {%- for value in values -%}
        {%- do quoted.append("'" ~ dbt.escape_single_quotes(value) ~ "'") -%}
    {%- endfor -%}
    ({{ quoted | join(", ") }})
{%- endmacro %}
