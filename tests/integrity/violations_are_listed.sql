-- Every violating obligation is on the "Do Not Be On It" list exactly once, with its lead, its rep and its deadline,
-- and nothing else is.
{%- set key = ['obligation_id', 'lead_id', 'rule_id', 'responsible_rep_id', 'due_at', 'touches_total'] %}

with expected as (
    select
        {{ key | join(',\n        ') }},
        1 as times
    from {{ ref('fct_sales_sla_obligations') }}
    where status = 'violating'
),

found as (
    select
        {{ key | join(',\n        ') }},
        1 as times
    from {{ ref('do_not_be_on_it') }}
),

differing as (
    {{ differences('expected', 'found', key, ['times']) }}
)

select
    {{ sentence(
        "obligation {obligation_id} ({rule_id}, lead {lead_id}, {responsible_rep_id}, due at {due_at}, {touches_total} touches): "
        ~ "do_not_be_on_it has it {found_times} times where {expected_times} is expected. Look for the join that drops or doubles it."
    ) }} as problem
from differing
