-- What the raw contract does not call optional is never empty.

{{ empty_required_columns('leads') }}
union all
{{ empty_required_columns('activities') }}
union all
{{ empty_required_columns('owner_changes') }}
union all
{{ empty_required_columns('reps') }}
union all
{{ empty_required_columns('deals') }}
