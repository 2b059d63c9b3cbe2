-- Grain: one row per landed row of an activity: the lead on which it lies, beside what stands in for the activity's id.
-- The next run's batch looks here for the leads from which an activity has moved, and a full build for activities of
-- which more than one row has landed. Rows are only added: one that is there twice (a run that broke off, a row
-- that had landed before `as_of` passed it) finds the same lead again.

with landed as (
    {{ rows_to_add('activities') }}
)

select
    {{ stand_in('activity_id') }} as activity_stand_in,
    lead_id
from landed
