-- Grain: one row per lead that this run rebuilds (lead_id), where it does not rebuild every lead; else none.
-- Those are the leads with rows that became visible since the run from which this one goes on, or that `as_of` has
-- passed since; and all leads that are linked with them by merges or by records that moved, of whatever time: a person
-- is rebuilt as a whole, from all versions of every record.

{%- set is_full = open_batch() %}

{% if is_full -%}
    select cast(null as {{ dbt.type_string() }}) as lead_id
    from {{ ref('stg_crm__clock') }}
    where false
{%- else -%}
    -- The large raw tables are named once for each reading: what is read twice would be kept.
    with recursive raw_reps as (
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

    -- The leads from which an activity or a deal has moved.
    moved_activities as (
        select lead_id from {{ as_it_stands('stg_crm__activity_places') }}
        where activity_stand_in in (
            select {{ stand_in('new_activities.activity_id') }} from new_activities
        )
    ),

    moved_deals as (
        select * from {{ source('crm', 'deals') }}
        where deal_id in (select new_deals.deal_id from new_deals)
    ),

    -- What `as_of` has passed.
    passed_leads as (
        select * from {{ source('crm', 'leads') }}
        where
            {{ has_just_passed('updated_at') }}
            or {{ has_just_passed('created_at') }}
            or {{ has_just_passed('disqualified_at') }}
            or {{ has_just_passed('opted_out_at') }}
            or {{ has_just_passed('merged_at') }}
    ),

    passed_activities as (
        select * from {{ source('crm', 'activities') }}
        where {{ has_just_passed('occurred_at') }}
    ),

    passed_owner_changes as (
        select * from {{ source('crm', 'owner_changes') }}
        where {{ has_just_passed('changed_at') }}
    ),

    passed_deals as (
        select * from {{ source('crm', 'deals') }}
        where
            {{ has_just_passed('updated_at') }}
            or {{ has_just_passed('created_at') }}
            or {{ has_just_passed('closed_at') }}
    ),

    leads_of_moved_reps as (
        select * from {{ source('crm', 'leads') }}
        where owner_id in (select moved_reps.rep_id from moved_reps)
    ),

    owner_changes_of_moved_reps as (
        select * from {{ source('crm', 'owner_changes') }}
        where owner_id in (select moved_reps.rep_id from moved_reps)
    ),

    merged_leads as (
        select * from {{ source('crm', 'leads') }}
        where merged_into_lead_id is not null
    ),

    touched as (
        select lead_id from new_leads
        union distinct
        select lead_id from new_activities
        union distinct
        select lead_id from new_owner_changes
        union distinct
        select lead_id from new_deals
        union distinct
        select lead_id from moved_activities
        union distinct
        select lead_id from moved_deals
        union distinct
        select lead_id from passed_leads
        union distinct
        select lead_id from passed_activities
        union distinct
        select lead_id from passed_owner_changes
        union distinct
        select lead_id from passed_deals
        union distinct
        select lead_id from leads_of_moved_reps
        union distinct
        select lead_id from owner_changes_of_moved_reps
    ),

    links as (
        select
            lead_id,
            merged_into_lead_id as linked_lead_id
        from merged_leads
        union distinct
        select
            merged_into_lead_id as lead_id,
            lead_id as linked_lead_id
        from merged_leads
        union distinct
        select
            lead_id,
            linked_lead_id
        from {{ as_it_stands('stg_crm__moves') }}
    ),

    {{ linked_leads('touched', 'links') }}

    select lead_id
    from linked
    where lead_id is not null
{%- endif %}
