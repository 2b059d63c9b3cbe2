-- Grain: one row per day of the calendars' horizon, which may begin at a zero date of the CRM: hence the long series.

with horizon as (
    select * from {{ ref('int_calendar__horizon') }}
),

numbers as (
    {{ dbt.generate_series(1048576) }}
)

select
    cast(
        {{ dbt.dateadd('day', 'cast(numbers.generated_number as integer) - 1', 'horizon.first_date') }} as date
    ) as date_day
from numbers
cross join horizon
where numbers.generated_number <= {{ dbt.datediff('horizon.first_date', 'horizon.last_date', 'day') }} + 1
