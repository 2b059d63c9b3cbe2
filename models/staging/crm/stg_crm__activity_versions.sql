-- Grain: one row per landed row of an activity of which more than one has landed (activity_id, loaded_at; exact
-- duplicates twice). An increment has every row of its leads here: they are few, and found by one reading.

with landed as (
    {{ rows_of_the_batch('activities') }}
),

{% if not is_increment() -%}
    -- Where this run has not made the register, more may have landed than it has.
    places as (
        {% if is_made_now('stg_crm__activity_places') -%}
            select activity_stand_in from {{ ref('stg_crm__activity_places') }}
        {%- else -%}
            select {{ stand_in('activity_id') }} as activity_stand_in from landed
        {%- endif %}
    ),

    repeated as (
        select places.activity_stand_in
        from places
        group by places.activity_stand_in
        having count(*) > 1
    ),

{% endif -%}
wanted as (
    select landed.*
    from landed
    {% if not is_increment() -%}
        inner join repeated
            on {{ stand_in('landed.activity_id') }} = repeated.activity_stand_in
    {%- endif %}
)

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
    _loaded_at as loaded_at
from wanted
