-- Grain: one row per lead that this run rebuilds (lead_id), where it does not rebuild every lead; else none.
-- Those are the leads with rows that became visible since the run from which this one goes on, or that `as_of` has
-- passed since; and all leads that are linked with them by merges, of whatever time: a person is rebuilt as a whole.

{%- set is_full = open_batch() %}

{% if is_full -%}
    select cast(null as {{ dbt.type_string() }}) as lead_id
    from {{ ref('stg_crm__clock') }}
    where false
{%- else -%}
    with recursive raw_leads as (
        select * from {{ source('crm', 'leads') }}
    ),

    raw_activities as (
        select * from {{ source('crm', 'activities') }}
    ),

    raw_owner_changes as (
        select * from {{ source('crm', 'owner_changes') }}
    ),

    raw_deals as (
        select * from {{ source('crm', 'deals') }}
    ),

    raw_reps as (
        select * from {{ source('crm', 'reps') }}
    ),

    new_leads as (
        {{ new_rows('leads') }}
    ),

    new_activities as (
        {{ new_rows('activities') }}
    ),

    new_owner_changes as (
        {{ new_rows('owner_changes') }}
    ),

    new_deals as (
        {{ new_rows('deals') }}
    ),

    new_reps as (
        {{ new_rows('reps') }}
    ),

    ranked_reps as (
        select
            raw_reps.rep_id,
            raw_reps.calendar_id,
            row_number() over (
                partition by raw_reps.rep_id
                order by raw_reps._loaded_at desc
            ) as load_rank
        from raw_reps
        where raw_reps._loaded_at <= {{ as_of() }}
    ),

    ranked_reps_then as (
        select
            raw_reps.rep_id,
            raw_reps.calendar_id,
            row_number() over (
                partition by raw_reps.rep_id
                order by raw_reps._loaded_at desc
            ) as load_rank
        from raw_reps
        where raw_reps._loaded_at <= {{ since() }}
    ),

    -- Deadlines run on the calendar of the owner: where that changes, the leads of the rep do.
    moved_reps as (
        select ranked_reps.rep_id
        from ranked_reps
        left join ranked_reps_then
            on
                ranked_reps.rep_id = ranked_reps_then.rep_id
                and ranked_reps_then.load_rank = 1
        where
            ranked_reps.load_rank = 1
            and ranked_reps.calendar_id is distinct from ranked_reps_then.calendar_id
        union all
        -- A load of then that landed later: what was known of the rep then cannot be told any more.
        select new_reps.rep_id from new_reps
        where new_reps._loaded_at <= {{ since() }}
    ),

    touched as (
        select new_leads.lead_id from new_leads
        union distinct
        select new_activities.lead_id from new_activities
        union distinct
        select new_owner_changes.lead_id from new_owner_changes
        union distinct
        select new_deals.lead_id from new_deals
        union distinct
        -- The leads from which an activity or a deal has moved.
        select raw_activities.lead_id from raw_activities
        where raw_activities.activity_id in (select new_activities.activity_id from new_activities)
        union distinct
        select raw_deals.lead_id from raw_deals
        where raw_deals.deal_id in (select new_deals.deal_id from new_deals)
        union distinct
        select raw_leads.lead_id from raw_leads
        where
            {{ has_just_passed('raw_leads.updated_at') }}
            or {{ has_just_passed('raw_leads.created_at') }}
            or {{ has_just_passed('raw_leads.disqualified_at') }}
            or {{ has_just_passed('raw_leads.opted_out_at') }}
            or {{ has_just_passed('raw_leads.merged_at') }}
            or raw_leads.owner_id in (select moved_reps.rep_id from moved_reps)
        union distinct
        select raw_activities.lead_id from raw_activities
        where {{ has_just_passed('raw_activities.occurred_at') }}
        union distinct
        select raw_owner_changes.lead_id from raw_owner_changes
        where
            {{ has_just_passed('raw_owner_changes.changed_at') }}
            or raw_owner_changes.owner_id in (select moved_reps.rep_id from moved_reps)
        union distinct
        select raw_deals.lead_id from raw_deals
        where
            {{ has_just_passed('raw_deals.updated_at') }}
            or {{ has_just_passed('raw_deals.created_at') }}
            or {{ has_just_passed('raw_deals.closed_at') }}
    ),

    links as (
        select
            lead_id,
            merged_into_lead_id as linked_lead_id
        from raw_leads
        where merged_into_lead_id is not null
        union distinct
        select
            merged_into_lead_id as lead_id,
            lead_id as linked_lead_id
        from raw_leads
        where merged_into_lead_id is not null
    ),

    linked (lead_id) as (
        select lead_id from touched
        union distinct
        select links.linked_lead_id as lead_id
        from linked
        inner join links
            on linked.lead_id = links.lead_id
    )

    select lead_id
    from linked
    where lead_id is not null
{%- endif %}
