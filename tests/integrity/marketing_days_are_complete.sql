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
    union distinct
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

lengths as (
    select
        first_date,
        last_date,
        1 + {{ dbt.datediff(
            'first_date',
            'last_date',
            'day'
        ) }} as day_count
    from spans
    where first_date <= last_date
),

expected as (
    select
        personas.persona,
        lengths.first_date,
        lengths.last_date,
        lengths.day_count
    from personas
    cross join lengths
),

found as (
    select
        persona,
        min(date_day) as first_date,
        max(date_day) as last_date,
        count(*) as day_count
    from {{ ref('fct_marketing_sla_daily') }}
    group by persona
),

differing as (
    {{ differences('expected', 'found', ['persona', 'first_date', 'last_date'], ['day_count']) }}
)

select
    {{ sentence(
        "{persona}: fct_marketing_sla_daily has {found_day_count} days from {first_date} to {last_date}, where {expected_day_count} are expected. "
        ~ "Look at int_marketing_sla__days."
    ) }} as problem
from differing
