-- The open violations of the day of `as_of` are the obligations that are violating, by rule and responsible rep.

with expected as (
    select
        rule_id,
        responsible_rep_id as rep_id,
        1 as open_violations
    from {{ ref('fct_sales_sla_obligations') }}
    where status = 'violating'
),

found as (
    select
        rule_id,
        rep_id,
        open_violations
    from {{ ref('fct_sales_sla_daily') }}
    where date_day = {{ local_date(as_of()) }}
),

differing as (
    {{ differences('expected', 'found', ['rule_id', 'rep_id'], ['open_violations']) }}
)

select
    {{ sentence(
        "{rule_id} of {rep_id}: fct_sales_sla_daily ends with {found_open_violations} open violations, fct_sales_sla_obligations has "
        ~ "{expected_open_violations} that are violating. Follow open_violations back to the day on which they part."
    ) }} as problem
from differing
