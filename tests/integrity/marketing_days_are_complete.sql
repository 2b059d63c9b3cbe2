-- Every persona of the Buyer Matrix, and `all`, has a row for every day from the first target or qualified lead to
-- `as_of`.

with targets as (
    select * from {{ ref('marketing_targets') }}
),

qualified_leads as (
    select * from {{ ref('fct_qualified_leads') }}
),

personas as (
    select persona from {{ ref('buyer_matrix') }}
    union
    select 'all' as persona
),

firsts as (
    select min(target_month) as first_date from targets
    union all
    select min(qualified_date) as first_date from qualified_leads
),

spans as (
    select
        min(first_date) as first_date,
        {{ local_date(as_of()) }} as last_date
    from firsts
),

expected as (
    select
        personas.persona,
        spans.first_date,
        spans.last_date,
        {{ dbt.datediff('spans.first_date', 'spans.last_date', 'day') }} + 1 as days
    from personas
    cross join spans
    where spans.first_date <= spans.last_date
),

found as (
    select
        persona,
        min(date_day) as first_date,
        max(date_day) as last_date,
        count(*) as days
    from {{ ref('fct_marketing_sla_daily') }}
    group by persona
),

differing as (
    {{ differences('expected', 'found', ['persona', 'first_date', 'last_date'], ['days']) }}
)

select
    {{ sentence(
        "{persona}: fct_marketing_sla_daily has {found_days} days from {first_date} to {last_date}, where {expected_days} are expected. "
        ~ "Look at int_marketing_sla__days."
    ) }} as problem
from differing
