-- One row: as of when, its day and month in the reporting time zone, and the newest load of every raw table.
select
    as_of,
    cast((as_of at time zone 'UTC') at time zone reporting_time_zone as date) as as_of_date,
    columns('^(.*)_loaded_at$') as '\1'
from marts.run_metadata
