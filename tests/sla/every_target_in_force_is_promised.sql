-- Every persona with a target this month comes with a promise: a target that nobody measures is a wish.
{{ config(severity='warn', tags=['sla_threshold']) }}

select distinct
    {{ sentence(
        "persona {persona}: marketing_targets has a target for this month, and no test of tests/sla promises a pace for it. "
        ~ "Copy one of its files marketing_keeps_*.sql, and give the bounds and the reason for them."
    ) }} as problem
from {{ ref('marketing_targets') }} as targets
where
    targets.target_month = cast({{ dbt.date_trunc('month', local_date(as_of())) }} as date)
    {%- set personas = promised('marketing', 'persona') %}
    {%- if personas %}
        and targets.persona not in {{ text_list(personas) }}
    {%- endif %}
