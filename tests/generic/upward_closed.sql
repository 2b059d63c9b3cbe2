{#
    On every day, a persona that passes to Sales at one stage passes at every later one: nobody falls back on the journey.
    A cell without a row does not pass.

    stages: the journey stages, with journey_stage and stage_rank.
#}
{% test upward_closed(model, stages) %}

with change_days as (

    {{ policy_change_days(model) }}

),

passing as (

    select
        change_days.changed_on,
        matrix.persona,
        matrix.journey_stage,
        stages.stage_rank
    from change_days
    inner join {{ model }} as matrix
        on {{ in_force("matrix", "change_days.changed_on") }}
    inner join {{ stages }} as stages
        on matrix.journey_stage = stages.journey_stage
    where matrix.passes_to_sales

),

gaps as (

    select
        earlier.persona,
        earlier.journey_stage as passing_stage,
        later.journey_stage,
        min(earlier.changed_on) as since
    from passing as earlier
    inner join {{ stages }} as later
        on earlier.stage_rank < later.stage_rank
    left join passing
        on
            earlier.changed_on = passing.changed_on
            and earlier.persona = passing.persona
            and later.journey_stage = passing.journey_stage
    where passing.journey_stage is null
    group by earlier.persona, earlier.journey_stage, later.journey_stage

)

select
    {{ sentence(
        tested_name(model) ~ " (persona {persona}, journey_stage {journey_stage}): from {since} on, {persona} passes to Sales at "
        ~ "{passing_stage} but not at the later stage {journey_stage}. Set passes_to_sales to true for {journey_stage}, "
        ~ "or to false for {passing_stage}."
    ) }} as problem
from gaps

{% endtest %}
