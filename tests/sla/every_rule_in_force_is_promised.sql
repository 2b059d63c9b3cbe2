-- Every rule of the agreement that is in force comes with a promise: a rule that nobody measures is a wish.
{{ config(severity='warn', tags=['sla_threshold']) }}

select
    {{ sentence(
        "rule {rule_id}: it is in force in sales_sla_rules, and no test of tests/sla promises an attainment for it. "
        ~ "Copy one of its files sales_keeps_*.sql, and give the bounds and the reason for them."
    ) }} as problem
from {{ ref('sales_sla_rules') }} as rules
where
    {{ in_force('rules', local_date(as_of())) }}
    {%- set rules = promised('sales', 'rule_id') %}
    {%- if rules %}
        and rules.rule_id not in {{ text_list(rules) }}
    {%- endif %}
