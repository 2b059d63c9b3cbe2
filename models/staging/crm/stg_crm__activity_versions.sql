-- Grain: one row per landed row of an activity of which more than one has landed (activity_id, loaded_at; exact
-- duplicates twice). An increment has every row of its leads here: they are few, and found by one reading.

with landed as (
    {{ rows_of_the_batch('activities') }}
),

{% if not is_increment() -%}
    landed_ids as (
        select * from {{ source('crm', 'activities') }}
    ),

    repeated as (
        select {{ stand_in('landed_ids.activity_id') }} as stand_in
        from landed_ids
        group by {{ stand_in('landed_ids.activity_id') }}
        having count(*) > 1
    ),

{% endif -%}
wanted as (
    select landed.*
    from landed
    {% if not is_increment() -%}
        inner join repeated
            on {{ stand_in('landed.activity_id') }} = repeated.stand_in
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
