-- One row per persona (and `all`) and source of the month so far: qualified leads, and the credit that was earned.
with leads as (
    select
        coalesce(persona, 'all') as persona,
        lead_source,
        count(*) as qualified_leads
    from (
        select persona, coalesce(lead_source, '') as lead_source
        from marts.fct_qualified_leads
        where qualified_date >= $month_start and qualified_date <= $as_of_date
    )
    group by grouping sets ((persona, lead_source), (lead_source))
),

credits as (
    select
        coalesce(persona, 'all') as persona,
        lead_source,
        sum(value_usd) as credited_value_usd
    from (
        select persona, coalesce(lead_source, '') as lead_source, value_usd
        from marts.fct_marketing_credits
        where credited_date >= $month_start and credited_date <= $as_of_date
    )
    group by grouping sets ((persona, lead_source), (lead_source))
)

select
    persona,
    lead_source,
    coalesce(leads.qualified_leads, 0) as qualified_leads,
    coalesce(credits.credited_value_usd, 0) as credited_value_usd
from leads
full join credits using (persona, lead_source)
order by persona, credited_value_usd desc, qualified_leads desc, lead_source
