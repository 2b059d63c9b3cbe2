-- Grain: one row per deal that was created by `as_of`, in its current version: the visible one with the greatest
-- (updated_at, load).
-- `won_at` is null until `as_of` passes it; a won deal without a closing time counts at its `updated_at`.

with raw_deals as (
    {{ rows_of_the_batch('deals') }}
),

versions as (
    select
        raw_deals.*,
        row_number() over (
            partition by raw_deals.deal_id
            order by raw_deals.updated_at desc, raw_deals._loaded_at desc
        ) as version_rank
    from raw_deals
    where
        raw_deals._loaded_at <= {{ as_of() }}
        and raw_deals.updated_at <= {{ as_of() }}
),

current_versions as (
    select
        versions.*,
        case when versions.status = 'won' then coalesce(versions.closed_at, versions.updated_at) end as counted_won_at
    from versions
    where
        versions.version_rank = 1
        and versions.created_at <= {{ as_of() }}
)

select
    deal_id,
    lead_id,
    owner_id,
    status,
    amount as amount_usd,
    created_at,
    case when counted_won_at <= {{ as_of() }} then counted_won_at end as won_at,
    closed_at,
    updated_at,
    _loaded_at as loaded_at
from current_versions
