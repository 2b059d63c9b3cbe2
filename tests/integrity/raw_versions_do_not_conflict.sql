-- Two versions of a record that are equal in every ordering column, and different in content, do not occur: it would be
-- left to chance which of them counts.

{{ conflicting_versions('leads', ['lead_id', 'updated_at', '_loaded_at']) }}
union all
{{ conflicting_versions('activities', ['activity_id', '_loaded_at']) }}
union all
{{ conflicting_versions('owner_changes', ['lead_id', 'changed_at', '_loaded_at']) }}
union all
{{ conflicting_versions('reps', ['rep_id', '_loaded_at']) }}
union all
{{ conflicting_versions('deals', ['deal_id', 'updated_at', '_loaded_at']) }}
