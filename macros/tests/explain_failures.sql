{#
    At the end of a run: what the failed and warning tests found, as sentences. The tests of our own select a column `problem`,
    of which at most five are shown for each; of any other test, how many rows it found and its description.
    Goes under `on-run-end`. Looks only at tests that ran and found something, so that it never fails a run itself.
#}
{% macro explain_failures(results, sentences=5) -%}
    {%- if execute -%}
        {%- for result in results if result.node.resource_type == "test" and result.status | string in ("fail", "warn") -%}
            {%- set node = result.node -%}
            {%- set found = problems_of(node, sentences) -%}
            {%- set severity = "error" if result.status | string == "fail" else "warning" -%}
            {%- set mark = "[policy]" if "policy" in node.tags else "[sla]" if "sla_threshold" in node.tags else "[problem]" -%}
            {%- if found is none -%}
                {%- set about = " " ~ (node.description | replace("\n", " ") | trim) if node.description else "" -%}
                {{- print(mark ~ " " ~ severity ~ " " ~ node.name ~ ": " ~ result.failures ~ " rows." ~ about) -}}
            {%- else -%}
                {%- for problem in found.sentences -%}
                    {{- print(mark ~ " " ~ severity ~ " " ~ node.name ~ ": " ~ problem) -}}
                {%- endfor -%}
                {%- if found.left_out -%}
                    {{- print(mark ~ " " ~ severity ~ " " ~ node.name ~ ": ... and " ~ found.left_out ~ " more like these.") -}}
                {%- endif -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}


{# The first sentences of a test that found something, and how many more there are; none for a test without a column `problem`. #}
{% macro problems_of(node, sentences) -%}
    {%- set columns = run_query("select * from (" ~ node.compiled_code ~ ") as found where 1 = 0").column_names -%}
    {%- if "problem" not in columns | map("lower") -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select problem, count(*) over () as problems from (" ~ node.compiled_code ~ ") as found order by problem limit " ~ sentences
    ).rows -%}
    {%- set problems = rows[0][1] | int if rows else 0 -%}
    {{ return({"sentences": rows | map(attribute=0) | list, "left_out": problems - rows | length}) }}
{%- endmacro %}
