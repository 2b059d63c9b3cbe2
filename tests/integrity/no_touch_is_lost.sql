-- Every touch of a person is in fct_sales_touches exactly once, under the last survivor of its record, and no other
-- touch is. Derived anew from staging: merges are followed from record to record, where the models join all records
-- that a lead ever held.
{%- set key = ['activity_id', 'lead_id', 'rep_id', 'touch_channel', 'occurred_at'] %}

with recursive activities as (
    select * from {{ ref('stg_crm__activities') }}
),

activity_types as (
    select * from {{ ref('activity_types') }}
),

records as (
    select * from {{ ref('int_leads__records') }}
),

effective_merges as (
    select * from {{ ref('int_leads__merges') }}
),

survivors as (
    select
        records.lead_number as record_lead_number,
        records.lead_number
    from records
    left join effective_merges
        on records.lead_number = effective_merges.lead_number
    where effective_merges.lead_number is null
    union all
    select
        effective_merges.lead_number as record_lead_number,
        survivors.lead_number
    from survivors
    inner join effective_merges
        on survivors.record_lead_number = effective_merges.merged_into_lead_number
),

persons as (
    select
        records.lead_id as record_lead_id,
        last_records.lead_id
    from survivors
    inner join records
        on survivors.record_lead_number = records.lead_number
    inner join records as last_records
        on survivors.lead_number = last_records.lead_number
    where
        not records.is_test
        and not last_records.is_test
),

expected as (
    select
        activities.activity_id,
        persons.lead_id,
        activities.actor_id as rep_id,
        activity_types.touch_channel,
        activities.occurred_at,
        1 as touches
    from activities
    inner join activity_types
        on activities.activity_type = activity_types.activity_type
    inner join persons
        on activities.lead_id = persons.record_lead_id
    where
        activity_types.category = 'touch'
        and not activities.is_automated
),

found as (
    select
        activity_id,
        lead_id,
        rep_id,
        touch_channel,
        occurred_at,
        1 as touches
    from {{ ref('fct_sales_touches') }}
    where {{ is_of_this_run('lead_id') }}
),

differing as (
    {{ differences('expected', 'found', key, ['touches']) }}
)

select
    {{ sentence(
        "touch {activity_id} of lead {lead_id} by {rep_id}, {touch_channel}, at {occurred_at}: fct_sales_touches has it {found_touches} times "
        ~ "where {expected_touches} is expected. Compare stg_crm__activities and int_leads__activities."
    ) }} as problem
from differing
