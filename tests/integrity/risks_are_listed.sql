-- Every obligation at risk is on the list of what is due soon exactly once, with its lead, its rep and its deadline,
-- and nothing else is.
{%- set key = ['obligation_id', 'lead_id', 'rule_id', 'responsible_rep_id', 'due_at', 'touches_total'] %}

with expected as (
    select
        {{ key | join(',\n        ') }},
        1 as times
    from {{ ref('fct_sales_sla_obligations') }}
    where status = 'at_risk'
),

found as (
    select
        {{ key | join(',\n        ') }},
        1 as times
    from {{ ref('due_soon') }}
),

differing as (
    {{ differences('expected', 'found', key, ['times']) }}
)

select
    {{ sentence(
        "obligation {obligation_id} ({rule_id}, lead {lead_id}, {responsible_rep_id}, due at {due_at}, {touches_total} touches): "
        ~ "due_soon has it {found_times} times where {expected_times} is expected. Look for the join that drops or doubles it."
    ) }} as problem
from differing
