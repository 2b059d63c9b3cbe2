-- Question: does speed to lead pay?
-- Grain: one row per speed band, the fastest first. Leads whose first conversion lies at least 60 days before `as_of`.
-- How to read: compare `win_rate_at_equal_mix` down the bands. It is the win rate that a band would have if it had the
-- personas of all these leads together, so that a band is not better only because it got the better leads.
-- `answered_rate` is the earlier and surer sign: far more leads answer than are won.
-- Caveats: this shows that fast and won go together, not that speed wins: reps also hurry for leads that look good, and
-- whoever is reached at all was easier to reach. Only a trial by lot would prove it. A win before the first touch
-- counts for the band all the same. Persona is the one at `as_of`. A persona that a band has no lead of adds nothing,
-- so read a small band with care.
{%- set maturity_days = 60 %}

with run_metadata as (
    select * from {{ ref('run_metadata') }}
),

speed_to_lead as (
    select * from {{ ref('fct_speed_to_lead') }}
),

leads as (
    select * from {{ ref('dim_leads') }}
),

mature as (
    select
        speed_to_lead.speed_band,
        leads.persona,
        case when speed_to_lead.first_contact_at is not null then 1 else 0 end as answered,
        case when leads.won_at is not null then 1 else 0 end as won
    from speed_to_lead
    inner join leads
        on speed_to_lead.lead_id = leads.lead_id
    cross join run_metadata
    where speed_to_lead.first_conversion_at <= {{ dbt.dateadd('day', -maturity_days, 'run_metadata.as_of') }}
),

personas as (
    select
        mature.persona,
        count(*) / cast(sum(count(*)) over () as {{ type_double() }}) as share_of_all
    from mature
    group by mature.persona
),

cells as (
    select
        mature.speed_band,
        mature.persona,
        count(*) as leads,
        sum(mature.answered) as answered,
        sum(mature.won) as won
    from mature
    group by mature.speed_band, mature.persona
),

bands as (
    select
        cells.speed_band,
        cast(sum(cells.leads) as bigint) as leads,
        cast(sum(cells.answered) as bigint) as answered,
        cast(sum(cells.won) as bigint) as won,
        sum(personas.share_of_all * cells.won / cells.leads) / sum(personas.share_of_all) as win_rate_at_equal_mix
    from cells
    inner join personas
        on cells.persona = personas.persona
    group by cells.speed_band
)

select
    bands.speed_band,
    bands.leads,
    bands.answered,
    bands.won,
    bands.answered / cast(bands.leads as {{ type_double() }}) as answered_rate,
    bands.won / cast(bands.leads as {{ type_double() }}) as win_rate,
    bands.win_rate_at_equal_mix
from bands
order by
    case bands.speed_band
        when '<=5m' then 1
        when '5-30m' then 2
        when '30-60m' then 3
        when '1-24h' then 4
        when '>24h' then 5
        else 6
    end
