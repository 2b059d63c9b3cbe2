-- A lead that qualified, and then became of a persona which the Buyer Matrix does not have, earns credits that are in
-- no row of fct_marketing_sla_daily, and so in no month's value.

with credits as (
    select * from {{ ref('fct_marketing_credits') }}
),

buyer_matrix as (
    select distinct persona from {{ ref('buyer_matrix') }}
),

outside as (
    select
        credits.persona,
        count(*) as credit_count,
        sum(credits.value_usd) as value_usd,
        {{ examples('credits.lead_id') }} as some_leads
    from credits
    left join buyer_matrix
        on credits.persona = buyer_matrix.persona
    where buyer_matrix.persona is null
    group by credits.persona
)

select
    {{ sentence(
        "persona {persona}: {credit_count} credits of {value_usd} USD (of leads such as {some_leads}) are in no month's value, because "
        ~ "buyer_matrix does not have the persona. Add it there, or take its rows out of lead_values."
    ) }} as problem
from outside
