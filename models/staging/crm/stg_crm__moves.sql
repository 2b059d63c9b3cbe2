-- Grain: one row per two leads between which a record (an activity, a deal) has moved, in each direction (lead_id,
-- linked_lead_id): both have versions of it; of more than two leads each is linked with the first.
-- Who rebuilds one of them rebuilds the other, so that all versions of a record are always at hand: the next run's
-- batch follows these links.

with activity_versions as (
    select * from {{ ref('stg_crm__activity_versions') }}
),

raw_deals as (
    {{ rows_of_the_batch('deals') }}
),

places as (
    select
        'activity' as record_type,
        activity_versions.activity_id as record_id,
        activity_versions.lead_id
    from activity_versions
    union distinct
    select
        'deal' as record_type,
        raw_deals.deal_id as record_id,
        raw_deals.lead_id
    from raw_deals
),

moved as (
    select
        places.record_type,
        places.record_id,
        min(places.lead_id) as first_lead_id
    from places
    group by places.record_type, places.record_id
    having count(*) > 1
),

links as (
    select
        places.lead_id,
        moved.first_lead_id as linked_lead_id
    from places
    inner join moved
        on
            places.record_type = moved.record_type
            and places.record_id = moved.record_id
            and places.lead_id <> moved.first_lead_id
)

select
    lead_id,
    linked_lead_id
from links
union distinct
select
    linked_lead_id as lead_id,
    lead_id as linked_lead_id
from links
