-- Grain: one row per landed row of an activity of which more than one has landed (activity_id, loaded_at; exact
-- duplicates twice). An increment has every row of its leads here: they are few, and found by one reading.

with landed as (
    {{ rows_of_the_batch('activities') }}
),

{% if not is_increment() -%}
    places as (
        select * from {{ ref('stg_crm__activity_places') }}
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
