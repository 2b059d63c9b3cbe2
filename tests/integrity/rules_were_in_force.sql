-- Every obligation is bound by a rule version that was in force at its trigger, for its persona, with its number of
-- touches and, on the elapsed clock, its deadline.

with obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

bound as (
    select
        obligations.obligation_id,
        obligations.rule_id,
        obligations.rule_valid_from,
        obligations.persona,
        obligations.required_touches,
        obligations.triggered_at,
        obligations.due_at,
        rules.clock,
        {{ add_microseconds('obligations.triggered_at', 'cast(round(rules.within_hours * 3600000000) as bigint)') }}
            as due_on_the_elapsed_clock
    from obligations
    left join rules
        on
            obligations.rule_id = rules.rule_id
            and obligations.rule_valid_from = rules.valid_from
            and obligations.required_touches = rules.required_touches
            and (rules.persona is null or obligations.persona = rules.persona)
            and {{ in_force('rules', local_date('obligations.triggered_at')) }}
)

select
    {{ sentence(
        "obligation {obligation_id} ({persona}, {required_touches} touches from {triggered_at} to {due_at}): the version of {rule_id} from "
        ~ "{rule_valid_from} on does not say so, or was not in force. Rebuild it all if the seed was changed."
    ) }} as problem
from bound
where
    clock is null
    or (clock = 'elapsed' and due_at <> due_on_the_elapsed_clock)
