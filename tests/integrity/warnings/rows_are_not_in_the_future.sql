-- What was loaded by `as_of` and happens after it (a future date, a clock running ahead) is hidden until `as_of` passes
-- it.

{{ instants_ahead('leads', 'lead_id') }}
union all
{{ instants_ahead('activities', 'activity_id') }}
union all
{{ instants_ahead('owner_changes', 'lead_id') }}
union all
{{ instants_ahead('deals', 'deal_id') }}
