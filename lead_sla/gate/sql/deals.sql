-- Grain: one row per landed row of raw.deals. A column named for something wrong says what is wrong, and is null where nothing is.
create table deals as
select
    coalesce(
        nullif(trim(versions.deal_id), ''),
        concat('(no id, lead ', versions.lead_id, ', ', strftime(versions.created_at, '%Y-%m-%d %H:%M'), ')')
    ) as row_name,
    nullif(trim(versions.deal_id), '') as deal_id,
    nullif(trim(versions.lead_id), '') as lead_id,
    nullif(trim(versions.status), '') as status,
    versions.amount,
    versions.created_at,
    versions.updated_at,
    versions.closed_at,
    versions._loaded_at,
    versions.conflict,
    versions.repetition,
    if(leads.lead_id is null, versions.lead_id, null) as unknown_lead,
    if(reps.rep_id is null, versions.owner_id, null) as unknown_owner,
    if(versions.status = 'won' and versions.amount is null and is_landed('deals', 'amount'), true, null) as won_without_amount,
    if(versions.status = 'won' and versions.closed_at is null and is_landed('deals', 'closed_at'), true, null) as won_without_closing,
    if(versions.updated_at < versions.created_at, strftime(versions.updated_at, '%Y-%m-%d %H:%M'), null) as updated_too_early,
    if(versions.closed_at < versions.created_at, strftime(versions.closed_at, '%Y-%m-%d %H:%M'), null) as closed_too_early,
    nullif(concat_ws(', ',
        ahead_of_load('created_at', versions.created_at, versions._loaded_at),
        ahead_of_load('updated_at', versions.updated_at, versions._loaded_at)
    ), '') as ahead_of_load,
    nullif(concat_ws(', ',
        ahead_of_now('created_at', versions.created_at),
        ahead_of_now('updated_at', versions.updated_at),
        ahead_of_now('closed_at', versions.closed_at)
    ), '') as ahead_of_now,
    loaded_ahead_of_now(versions._loaded_at) as loaded_ahead_of_now
from versions.deals as versions
left join known.leads on versions.lead_id = leads.lead_id
left join known.reps on versions.owner_id = reps.rep_id
-- So that the first rows, which are named, are the same each time.
order by row_name;
