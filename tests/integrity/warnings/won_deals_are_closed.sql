-- A won deal without a closing time counts at its last update, which may be much later than the sale.

with deals as (
    select * from {{ ref('stg_crm__deals') }}
),

counted as (
    select
        count(*) as deal_count,
        {{ examples('deals.deal_id') }} as some_deals
    from deals
    where
        deals.status = 'won'
        and deals.closed_at is null
)

select
    {{ sentence(
        "raw deals: {deal_count} won deals have no closed_at (such as {some_deals}). They count at their updated_at: fill in closed_at."
    ) }} as problem
from counted
where deal_count > 0
