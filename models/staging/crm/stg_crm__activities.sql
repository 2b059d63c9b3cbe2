-- Grain: one row per activity that exists at `as_of`, in its current version (the latest load).
-- A deleted activity does not exist. One whose current version lies in the future is hidden, and no earlier version
-- comes back.

with activity_versions as (
    select * from {{ ref('stg_crm__activity_versions') }}
),

ranked as (
    select
        activity_versions.*,
        row_number() over (
            partition by activity_versions.activity_id
            order by activity_versions.loaded_at desc
        ) as load_rank
    from activity_versions
    where activity_versions.loaded_at <= {{ as_of() }}
),

{% if not is_increment() -%}
    -- Nearly every activity has landed once, and is not put in order.
    repeated as (
        select distinct activity_id from {{ ref('stg_crm__activity_versions') }}
    ),

    landed_once as (
        select * from {{ source('crm', 'activities') }}
    ),

{% endif -%}
current_versions as (
    select
        activity_id,
        lead_id,
        activity_type,
        actor_id,
        outcome,
        asset,
        is_automated,
        is_deleted,
        occurred_at,
        loaded_at
    from ranked
    where load_rank = 1
    {% if not is_increment() -%}
        union all
        select
            landed_once.activity_id,
            landed_once.lead_id,
            landed_once.activity_type,
            landed_once.actor_id,
            landed_once.outcome,
            landed_once.asset,
            landed_once.is_automated,
            landed_once.is_deleted,
            landed_once.occurred_at,
            landed_once._loaded_at as loaded_at
        from landed_once
        left join repeated
            on landed_once.activity_id = repeated.activity_id
        where
            repeated.activity_id is null
            and landed_once._loaded_at <= {{ as_of() }}
    {%- endif %}
)

select
    activity_id,
    lead_id,
    activity_type,
    actor_id,
    outcome,
    asset,
    coalesce(is_automated, false) as is_automated,
    occurred_at,
    loaded_at
from current_versions
where
    not coalesce(is_deleted, false)
    and occurred_at <= {{ as_of() }}
