-- The yardstick: every mart, written by hand for DuckDB in one go. No dbt, no contracts, no layers, no other engine.
-- It is what the cost of the project is measured against, so it is written for speed, and its rows are the same.
--
-- Reads schemas `raw` (the landed tables) and `policy` (the nine seeds), writes schema `marts`. benchmarks/yardstick.py
-- makes the first two, and sets the variables as_of (null: the newest load), reporting_time_zone, default_calendar,
-- pacing and pace_tolerance.
--
-- Ideas: a lead is a number; the text of its id comes back where a mart is written. What few rows need (versions,
-- merges, chains of triggers, clock changes) is worked out for those few. Positions on a business clock are a hash
-- lookup by calendar and UTC day, which sorts nothing.

set asof_loop_join_threshold = 0;
set preserve_insertion_order = false;
set block_allocator_memory = '1GB';

-- --- The clock, and days -----------------------------------------------------------------------------------------------

create or replace temp table loads as
select table_name, max(_loaded_at) as newest_loaded_at
from (
    select 'leads' as table_name, max(_loaded_at) as _loaded_at from raw.leads
    where getvariable('as_of') is null or _loaded_at <= cast(getvariable('as_of') as timestamp)
    union all
    select 'activities', max(_loaded_at) from raw.activities
    where getvariable('as_of') is null or _loaded_at <= cast(getvariable('as_of') as timestamp)
    union all
    select 'owner_changes', max(_loaded_at) from raw.owner_changes
    where getvariable('as_of') is null or _loaded_at <= cast(getvariable('as_of') as timestamp)
    union all
    select 'reps', max(_loaded_at) from raw.reps
    where getvariable('as_of') is null or _loaded_at <= cast(getvariable('as_of') as timestamp)
    union all
    select 'deals', max(_loaded_at) from raw.deals
    where getvariable('as_of') is null or _loaded_at <= cast(getvariable('as_of') as timestamp)
)
group by table_name;

set variable clock = (
    select coalesce(cast(getvariable('as_of') as timestamp), max(newest_loaded_at)) from loads
);

create or replace temp macro as_of() as cast(getvariable('clock') as timestamp);
create or replace temp macro to_local(instant, zone) as timezone(zone, timezone('UTC', instant));
create or replace temp macro local_date(instant) as
    case
        when getvariable('reporting_time_zone') = 'UTC' then cast(instant as date)
        else cast(to_local(instant, getvariable('reporting_time_zone')) as date)
    end;
create or replace temp macro in_force(valid_from, valid_to, day) as
    valid_from <= day and (valid_to is null or valid_to > day);
create or replace temp macro holds_at(valid_from, valid_to, instant) as
    (valid_from is null or valid_from <= instant) and (valid_to is null or valid_to > instant);
create or replace temp macro known(instant) as case when instant <= as_of() then instant end;

-- --- Leads: versions, deletion, merges -----------------------------------------------------------------------------------

-- Of the loads with one `updated_at` the last one is the version.
create or replace temp table versions as
select
    lead_id,
    owner_id,
    lead_source,
    employee_count,
    merged_into_lead_id,
    coalesce(is_test, false) as is_test,
    coalesce(is_deleted, false) as is_deleted,
    created_at,
    updated_at,
    disqualified_at,
    opted_out_at,
    merged_at,
    first_value(updated_at) over history = updated_at as is_first,
    lead(updated_at) over history is null as is_current
from raw.leads
where _loaded_at <= as_of() and updated_at <= as_of()
window history as (partition by lead_id order by updated_at, _loaded_at)
qualify lead(updated_at) over history is distinct from updated_at;

create or replace temp table deletions as
select lead_id, min(updated_at) as deleted_at
from (
    select
        lead_id,
        updated_at,
        max(case when not is_deleted then updated_at end) over (partition by lead_id) as last_kept_at
    from versions
    where lead_id in (select lead_id from versions where is_current and is_deleted)
)
where last_kept_at is null or updated_at > last_kept_at
group by lead_id;

create or replace temp table records as
select
    cast(row_number() over () as integer) as record,
    v.lead_id,
    v.owner_id,
    v.lead_source,
    case when v.merged_at <= as_of() then v.merged_into_lead_id end as merged_into_lead_id,
    v.is_test,
    v.created_at,
    known(v.disqualified_at) as disqualified_at,
    known(v.opted_out_at) as opted_out_at,
    d.deleted_at,
    known(v.merged_at) as merged_at
from versions as v
left join deletions as d using (lead_id)
where v.is_current and v.created_at <= as_of();

-- Merges without the members of cycles.
create or replace temp table merges as
with recursive edges as materialized (
    select m.record, s.record as survivor, m.merged_at
    from records as m
    inner join records as s on m.merged_into_lead_id = s.lead_id
    where m.merged_at is not null
),

reached as (
    select record, survivor from edges
    union
    select r.record, e.survivor from reached as r inner join edges as e on r.survivor = e.record
)

select * from edges
where record not in (select record from reached where record = survivor);

-- Every later survivor of a record, and when it holds it: all merges up to it must have happened.
create or replace temp table survivals as
with recursive chains as (
    select record, survivor, merged_at as held_from from merges
    union all
    select c.record, m.survivor, greatest(c.held_from, m.merged_at)
    from chains as c
    inner join merges as m on c.survivor = m.record
)

select
    c.record,
    c.survivor as lead,
    c.held_from,
    case when m.merged_at is not null then greatest(m.merged_at, c.held_from) end as held_until,
    m.merged_at as history_until
from chains as c
inner join records as r on c.record = r.record
inner join records as s on c.survivor = s.record
left join merges as m on c.survivor = m.record
where not r.is_test and not s.is_test;

-- --- Deals and cancellations ---------------------------------------------------------------------------------------------

create or replace temp table deals as
with current_deals as (
    select
        r.record,
        d.amount,
        known(case when d.status = 'won' then coalesce(d.closed_at, d.updated_at) end) as won_at
    from (
        select * from raw.deals
        where _loaded_at <= as_of() and updated_at <= as_of()
        qualify row_number() over (partition by deal_id order by updated_at desc, _loaded_at desc) = 1
    ) as d
    inner join records as r using (lead_id)
    where d.created_at <= as_of() and not r.is_test
)

select record as lead, amount, won_at, won_at as won_effective_at from current_deals
union all
select s.lead, d.amount, d.won_at, case when d.won_at is not null then greatest(d.won_at, s.held_from) end
from current_deals as d
inner join survivals as s using (record);

create or replace temp table leads as
with wins as (
    select
        lead,
        min(won_effective_at) as won_effective_at
    from deals
    group by lead
),

numbered as (
    select
        r.record as lead,
        r.lead_id,
        r.owner_id,
        r.lead_source,
        r.created_at,
        m.merged_at,
        w.won_effective_at,
        r.disqualified_at,
        r.opted_out_at,
        r.deleted_at,
        least(w.won_effective_at, r.disqualified_at, r.opted_out_at, r.deleted_at, m.merged_at) as cancelled_at
    from records as r
    left join merges as m using (record)
    left join wins as w on r.record = w.lead
    where not r.is_test
)

select
    lead,
    lead_id,
    owner_id,
    lead_source,
    merged_at is not null as is_merged,
    created_at,
    merged_at,
    cancelled_at,
    case cancelled_at
        when won_effective_at then 'won'
        when disqualified_at then 'disqualified'
        when opted_out_at then 'opted_out'
        when deleted_at then 'deleted'
        when merged_at then 'merged'
    end as cancel_reason
from numbered;

-- --- Reps, owners, personas ----------------------------------------------------------------------------------------------

create or replace table marts.dim_reps as
select rep_id, full_name, team, manager_id, calendar_id, personas, active_from, active_to
from raw.reps
where _loaded_at <= as_of()
qualify row_number() over (partition by rep_id order by _loaded_at desc) = 1;

create or replace temp table rep_calendars as
select
    rep_id,
    case
        when calendar_id in (select calendar_id from policy.business_calendars) then calendar_id
        else getvariable('default_calendar')
    end as calendar_id
from marts.dim_reps;

-- Of the changes that take effect at one instant the last one wins, and of its loads the last.
create or replace temp table owners as
with states as (
    select
        l.lead,
        c.owner_id,
        greatest(c.changed_at, l.created_at) as valid_from
    from raw.owner_changes as c
    inner join leads as l using (lead_id)
    where c._loaded_at <= as_of() and c.changed_at <= as_of()
    qualify
        lead(greatest(c.changed_at, l.created_at)) over (partition by l.lead order by c.changed_at, c._loaded_at)
        is distinct from greatest(c.changed_at, l.created_at)
),

changes as (
    select * from states
    qualify owner_id is distinct from lag(owner_id) over (partition by lead order by valid_from)
)

select lead, owner_id, valid_from, lead(valid_from) over (partition by lead order by valid_from) as valid_to
from changes
union all
select l.lead, l.owner_id, l.created_at, null
from leads as l
where
    l.owner_id is not null
    and l.lead not in (select lead from states);

create or replace temp table personas as
with named as (
    select
        l.lead,
        coalesce(p.persona, 'unknown') as persona,
        v.updated_at,
        v.is_first,
        v.is_current
    from versions as v
    inner join leads as l using (lead_id)
    left join policy.personas as p
        on
            v.employee_count >= coalesce(p.min_employees, v.employee_count)
            and v.employee_count <= coalesce(p.max_employees, v.employee_count)
            and in_force(
                p.valid_from, p.valid_to, local_date(case when v.is_first then l.created_at else v.updated_at end)
            )
),

changes as (
    select lead, persona, updated_at, is_first from named
    where not (is_first and is_current)
    qualify persona is distinct from lag(persona) over (partition by lead order by updated_at)
)

select lead, persona, cast(null as timestamp) as valid_from, cast(null as timestamp) as valid_to
from named
where is_first and is_current
union all
select
    lead,
    persona,
    case when not is_first then updated_at end,
    lead(updated_at) over (partition by lead order by updated_at)
from changes;

-- --- Activities ----------------------------------------------------------------------------------------------------------

-- Types that anything is counted by; the others are only looked at where a version may replace another.
create or replace temp table types as
select
    cast(row_number() over () as smallint) as type,
    coalesce(a.activity_type, r.trigger) as activity_type,
    a.journey_stage,
    s.stage_rank,
    a.touch_channel,
    coalesce(a.category = 'conversion', false) as is_conversion,
    coalesce(a.category = 'touch', false) as is_touch,
    coalesce(a.category = 'reply', false) as is_reply,
    r.trigger is not null as is_trigger
from policy.activity_types as a
left join policy.journey_stages as s using (journey_stage)
full join (
    select distinct trigger from policy.sales_sla_rules
    where trigger not in ('new_lead', 'qualified', 'assigned')
) as r on a.activity_type = r.trigger
where a.category in ('conversion', 'touch', 'reply') or a.journey_stage is not null or r.trigger is not null;

-- Nearly every activity has one version: hashes find the few that may have more.
create or replace temp table repeated as
select hash(activity_id) as id_hash
from raw.activities
where _loaded_at <= as_of()
group by id_hash
having count(*) > 1;

create or replace temp table activities as
with arrived as (
    select
        a.lead_id,
        a.activity_id,
        a.activity_type,
        a.actor_id,
        a.occurred_at,
        coalesce(a.is_automated, false) as is_automated,
        coalesce(a.outcome = 'connected', false) as is_connected,
        coalesce(a.is_deleted, false) as is_deleted,
        a._loaded_at,
        hash(a.activity_id) in (select id_hash from repeated) as is_repeated
    from raw.activities as a
    where a._loaded_at <= as_of()
)

select
    l.lead,
    l.lead as record,
    a.activity_id,
    t.type,
    a.actor_id,
    a.occurred_at,
    t.stage_rank,
    coalesce(t.is_conversion, false) as is_conversion,
    coalesce(t.is_touch and not a.is_automated, false) as is_touch,
    coalesce(t.is_reply or (t.is_touch and not a.is_automated and a.is_connected), false) as is_contact,
    coalesce(t.is_trigger, false) as is_trigger,
    true as is_held,
    a.is_repeated,
    t.type is not null and l.lead is not null and not a.is_deleted and a.occurred_at <= as_of() as counts,
    case when a.is_repeated then a._loaded_at end as loaded_at
from arrived as a
left join types as t using (activity_type)
left join leads as l using (lead_id)
where
    a.is_repeated
    or (t.type is not null and l.lead is not null and not a.is_deleted and a.occurred_at <= as_of());

create or replace temp table replaced as
select rowid as row_id
from activities
where is_repeated
qualify not counts or row_number() over (partition by activity_id order by loaded_at desc) > 1;

delete from activities
where rowid in (select row_id from replaced);

-- What was logged on a merged lead is in the history of its survivors, too; its own ends with its merge.
create or replace temp table inherited as
select
    a.* replace (
        s.lead as lead,
        s.held_from <= a.occurred_at and (s.held_until is null or s.held_until > a.occurred_at) as is_held
    )
from activities as a
inner join survivals as s using (record)
where s.history_until is null or a.occurred_at < s.history_until;

delete from activities
using merges
where activities.lead = merges.record and activities.occurred_at >= merges.merged_at;

insert into activities from inherited;

-- Touches in each scope that a rule asks for (all of them are in `any`), numbered, so that the n-th from an instant on is a
-- lookup.
create or replace temp table touches as
select
    lead,
    'any' as scope,
    activity_id,
    type,
    actor_id,
    is_contact,
    occurred_at,
    row_number() over (partition by lead order by occurred_at, activity_id) as touch_number
from activities
where is_touch;

insert into touches
select
    t.* replace (
        types.touch_channel as scope,
        row_number() over (partition by t.lead, types.touch_channel order by t.touch_number) as touch_number
    )
from touches as t
inner join types using (type)
where types.touch_channel in (select touch_channel from policy.sales_sla_rules);

create or replace temp table firsts as
select
    lead,
    min(occurred_at) filter (where is_conversion) as first_conversion_at,
    min(occurred_at) filter (where is_touch) as first_touch_at,
    min(occurred_at) filter (where is_contact) as first_contact_at
from activities
group by lead;

create or replace table marts.fct_sales_touches as
select
    t.activity_id,
    l.lead_id,
    t.actor_id as rep_id,
    types.touch_channel,
    t.touch_number,
    t.is_contact as is_connected,
    t.occurred_at,
    local_date(t.occurred_at) as occurred_date
from touches as t
inner join types using (type)
inner join leads as l using (lead)
where t.scope = 'any' and not l.is_merged;

-- --- Qualification -------------------------------------------------------------------------------------------------------

create or replace temp table stages as
with proofs as (
    select
        lead,
        stage_rank,
        arg_min({'activity_id': activity_id, 'record': record}, {'at': occurred_at, 'id': activity_id}) as proof,
        min(occurred_at) as reached_at
    from activities
    where stage_rank is not null
    group by lead, stage_rank
)

select p.*, s.journey_stage
from proofs as p
inner join policy.journey_stages as s using (stage_rank);

create or replace temp table qualified as
with instants as (
    select lead, reached_at as looked_at from stages
    union
    select lead, valid_from from personas where valid_from is not null
),

-- Materialized, or the matrix would be joined with all personas before anything else.
looked_up as materialized (
    select
        i.lead,
        i.looked_at,
        local_date(i.looked_at) as looked_date,
        p.persona,
        s.journey_stage,
        s.stage_rank,
        s.proof
    from instants as i
    inner join stages as s on i.lead = s.lead and i.looked_at >= s.reached_at
    inner join personas as p on i.lead = p.lead and holds_at(p.valid_from, p.valid_to, i.looked_at)
),

passes as (
    select
        l.lead,
        l.looked_at as qualified_at,
        l.looked_date as qualified_date,
        l.persona,
        l.journey_stage,
        l.proof,
        m.valid_from as matrix_valid_from,
        -- The first instant, and there the highest stage.
        epoch_us(l.looked_at) * 1000 + 500 - l.stage_rank as pass_order
    from looked_up as l
    inner join policy.buyer_matrix as m
        on
            l.persona = m.persona
            and l.journey_stage = m.journey_stage
            and m.passes_to_sales
            and in_force(m.valid_from, m.valid_to, l.looked_date)
),

first_passes as (
    select lead, min(pass_order) as pass_order from passes group by lead
)

select
    p.lead,
    p.persona,
    p.journey_stage,
    p.proof.activity_id as activity_id,
    p.matrix_valid_from,
    p.qualified_date,
    p.qualified_at,
    -- The record that held the proof at that instant: the lead's own until its merge, another's while the lead held it.
    case
        when p.proof.record = p.lead then l.merged_at is null or p.qualified_at < l.merged_at
        else s.held_from <= p.qualified_at and (s.held_until is null or s.held_until > p.qualified_at)
    end as is_held
from passes as p
inner join first_passes using (lead, pass_order)
inner join leads as l using (lead)
left join survivals as s on p.lead = s.lead and p.proof.record = s.record;

create or replace table marts.fct_lead_stages as
select l.lead_id, s.journey_stage, s.proof.activity_id as activity_id, s.reached_at
from stages as s
inner join leads as l using (lead)
where not l.is_merged;

create or replace table marts.fct_qualified_leads as
select
    l.lead_id,
    q.persona,
    q.journey_stage,
    q.activity_id,
    l.lead_source,
    q.matrix_valid_from,
    q.qualified_date,
    q.qualified_at
from qualified as q
inner join leads as l using (lead)
where not l.is_merged;

create or replace temp table persons as
select
    l.lead,
    l.lead_id,
    p.persona,
    s.journey_stage,
    o.owner_id,
    l.lead_source,
    l.cancel_reason,
    q.lead is not null as is_qualified,
    l.is_merged,
    cast(coalesce(d.deal_count, 0) as bigint) as deal_count,
    cast(d.won_value_usd as decimal(18, 2)) as won_value_usd,
    l.created_at,
    q.qualified_at,
    f.first_conversion_at,
    f.first_touch_at,
    f.first_contact_at,
    d.won_at,
    l.cancelled_at
from leads as l
left join (from personas where valid_to is null) as p using (lead)
left join (from owners where valid_to is null) as o using (lead)
left join (select lead, arg_max(journey_stage, stage_rank) as journey_stage from stages group by lead) as s using (lead)
left join qualified as q using (lead)
left join firsts as f using (lead)
-- What is won after a lead was merged is won on the survivor.
left join (
    select
        d.lead,
        count(*) as deal_count,
        min(d.won_at) filter (where m.merged_at is null or d.won_at < m.merged_at) as won_at,
        sum(d.amount) filter (where d.won_at is not null and (m.merged_at is null or d.won_at < m.merged_at)) as won_value_usd
    from deals as d
    inner join leads as m using (lead)
    group by d.lead
) as d using (lead);

create or replace table marts.dim_leads as
select * exclude (lead) from persons;

create or replace table marts.fct_funnel_monthly as
select
    cast(date_trunc('month', local_date(p.created_at)) as date) as created_month,
    p.persona,
    p.lead_source,
    count(*) as leads,
    count(p.qualified_at) as qualified,
    count(p.first_touch_at) as touched,
    count(p.first_contact_at) as contacted,
    count(*) filter (where p.deal_count > 0) as deals,
    count(p.won_at) as won,
    cast(coalesce(sum(p.won_value_usd), 0) as decimal(18, 2)) as won_value_usd
from persons as p
where not p.is_merged
group by all;

-- --- Business time -------------------------------------------------------------------------------------------------------

-- From before the first instant that is looked up to after the last deadline; weeks enough for the longest rule.
create or replace temp table horizon as
with margin as (
    select
        cast(7 * (6 + (select count(*) from policy.holidays) + ceil(1.1 * coalesce(
            (select max(within_hours) from policy.sales_sla_rules where clock = 'business'), 0
        ) / coalesce(min(open_hours), 1))) as integer) as days
    from (
        select
            sum(
                cast(split_part(closes_at, ':', 1) as integer) * 60 + cast(split_part(closes_at, ':', 2) as integer)
                - cast(split_part(opens_at, ':', 1) as integer) * 60 - cast(split_part(opens_at, ':', 2) as integer)
            ) / 60 as open_hours
        from policy.business_calendars
        group by calendar_id
    )
    where open_hours > 0
)

select
    cast(least(
        (select min(occurred_at) from activities),
        (select min(created_at) from leads),
        (select min(cast(target_month as timestamp)) from policy.marketing_targets where target_month <= as_of()),
        as_of()
    ) as date) - days as first_date,
    cast(as_of() as date) + days as last_date
from margin;

create or replace temp table shifts as
with days as (
    select cast(unnest(generate_series(first_date, last_date, interval 1 day)) as date) as date_day from horizon
),

hours as (
    select c.calendar_id, c.time_zone, d.date_day, c.opens_at, c.closes_at
    from days as d
    inner join policy.business_calendars as c on isodow(d.date_day) = c.iso_weekday
    anti join policy.holidays as h on c.calendar_id = h.calendar_id and d.date_day = h.holiday_date
    union all
    select h.calendar_id, z.time_zone, d.date_day, h.opens_at, h.closes_at
    from policy.holidays as h
    inner join days as d on h.holiday_date = d.date_day
    inner join (select distinct calendar_id, time_zone from policy.business_calendars) as z using (calendar_id)
    where h.opens_at is not null
)

select
    calendar_id,
    time_zone,
    date_day,
    date_day + to_minutes(
        cast(split_part(opens_at, ':', 1) as integer) * 60 + cast(split_part(opens_at, ':', 2) as integer)
    ) as opens_locally_at,
    date_day + to_minutes(
        cast(split_part(closes_at, ':', 1) as integer) * 60 + cast(split_part(closes_at, ':', 2) as integer)
    ) as closes_locally_at
from hours;

-- The instant of a local time is the first at which that clock shows it or a later one: in a repeated hour the first
-- pass, in a skipped one the change itself, which is searched by the minute.
create or replace temp table local_instants as
with wanted as (
    select time_zone, opens_locally_at as local_at from shifts
    union
    select time_zone, closes_locally_at from shifts
    union
    select
        getvariable('reporting_time_zone'),
        local_date(as_of()) + to_days(unnest([0, 1]))
),

guessed as (
    select
        time_zone,
        local_at,
        local_at - (to_local(local_at - interval 2 days, time_zone) - (local_at - interval 2 days)) as by_offset_before,
        local_at - (to_local(local_at + interval 2 days, time_zone) - (local_at + interval 2 days)) as by_offset_after
    from wanted
),

told as (
    select
        *,
        case
            when to_local(by_offset_before, time_zone) = local_at then by_offset_before
            when to_local(by_offset_after, time_zone) = local_at then by_offset_after
        end as instant
    from guessed
)

select time_zone, local_at, instant from told where instant is not null
union all
select time_zone, local_at, min(minute_at)
from (
    select
        time_zone,
        local_at,
        unnest(generate_series(by_offset_after, by_offset_before, interval 1 minute)) as minute_at
    from told
    where instant is null
)
where to_local(minute_at, time_zone) >= local_at
group by time_zone, local_at;

-- Open windows in UTC, with the open microseconds of the calendar before each.
create or replace temp table windows as
select
    s.calendar_id,
    s.date_day,
    o.instant as opens_at,
    c.instant as closes_at,
    cast(coalesce(sum(epoch_us(c.instant) - epoch_us(o.instant)) over (
        partition by s.calendar_id order by o.instant
        rows between unbounded preceding and 1 preceding
    ), 0) as bigint) as position
from shifts as s
inner join local_instants as o on s.time_zone = o.time_zone and s.opens_locally_at = o.local_at
inner join local_instants as c on s.time_zone = c.time_zone and s.closes_locally_at = c.local_at
where o.instant < c.instant;

-- Spans in which a calendar is open or closed throughout, cut at midnight UTC: found by calendar and day.
create or replace temp table spans as
with cuts as (
    select calendar_id, opens_at as starts_at from windows
    union
    select calendar_id, closes_at from windows
    union
    select calendar_id, unnest(generate_series(
        cast(min(opens_at) as date) + interval 1 day, cast(max(closes_at) as date) + interval 1 day, interval 1 day
    ))
    from windows
    group by calendar_id
)

select
    c.calendar_id,
    cast(c.starts_at as date) as utc_date,
    c.starts_at,
    coalesce(
        lead(c.starts_at) over (partition by c.calendar_id order by c.starts_at), timestamp 'infinity'
    ) as ends_at,
    w.position + epoch_us(least(c.starts_at, w.closes_at)) - epoch_us(w.opens_at) as position,
    case when c.starts_at < w.closes_at then 1 else 0 end as pace
from cuts as c
asof join windows as w on c.calendar_id = w.calendar_id and c.starts_at >= w.opens_at;

-- --- Sales SLA -----------------------------------------------------------------------------------------------------------

create or replace temp table candidates as
with triggers as (
    select
        lead,
        'new_lead' as trigger,
        arg_min(activity_id, {'at': occurred_at, 'id': activity_id}) as activity_id,
        min(occurred_at) as triggered_at
    from activities
    where is_conversion and is_held
    group by lead
    union all
    select lead, 'qualified', activity_id, qualified_at from qualified where is_held
    union all
    select lead, 'assigned', null, valid_from from owners where owner_id is not null
    union all
    select a.lead, t.activity_type, a.activity_id, a.occurred_at
    from activities as a
    inner join types as t using (type)
    where a.is_trigger and a.is_held
),

-- Materialized, as it is read twice and numbers its rows.
bound as materialized (
    select
        cast(row_number() over () as integer) as candidate,
        t.lead,
        t.activity_id,
        t.triggered_at,
        r.rule_id,
        r.valid_from as rule_valid_from,
        r.required_touches,
        r.touch_channel,
        r.clock,
        r.warn_fraction,
        cast(round(r.within_hours * 3600000000) as bigint) as window_us,
        p.persona,
        o.owner_id as owner_at_trigger,
        coalesce(c.calendar_id, getvariable('default_calendar')) as calendar_id,
        l.cancelled_at,
        l.cancel_reason
    from triggers as t
    inner join policy.sales_sla_rules as r
        on t.trigger = r.trigger and in_force(r.valid_from, r.valid_to, local_date(t.triggered_at))
    inner join leads as l
        on t.lead = l.lead and (l.cancelled_at is null or t.triggered_at < l.cancelled_at)
    inner join personas as p
        on t.lead = p.lead and holds_at(p.valid_from, p.valid_to, t.triggered_at)
    left join owners as o
        on t.lead = o.lead and holds_at(o.valid_from, o.valid_to, t.triggered_at)
    left join rep_calendars as c on o.owner_id = c.rep_id
    where r.persona is null or r.persona = p.persona
),

business as (
    select b.*, s.position + s.pace * (epoch_us(b.triggered_at) - epoch_us(s.starts_at)) as triggered_position
    from bound as b
    left join spans as s
        on
            b.calendar_id = s.calendar_id
            and cast(b.triggered_at as date) = s.utc_date
            and b.triggered_at >= s.starts_at
            and b.triggered_at < s.ends_at
    where b.clock = 'business'
)

select
    * exclude (window_us),
    epoch_us(triggered_at) as triggered_position,
    epoch_us(triggered_at) + window_us as due_position,
    triggered_at + to_microseconds(window_us) as due_at
from bound
where clock = 'elapsed'
union all
select
    b.* exclude (window_us, triggered_position),
    b.triggered_position,
    b.triggered_position + b.window_us,
    w.opens_at + to_microseconds(b.triggered_position + b.window_us - w.position)
from business as b
-- On a closing time rather than on the next opening.
asof left join windows as w
    on b.calendar_id = w.calendar_id and b.triggered_position + b.window_us > w.position;

create or replace temp table follow_ups as
with counted as (
    select
        c.candidate,
        c.lead,
        coalesce(c.touch_channel, 'any') as scope,
        any_value(c.required_touches) as required_touches,
        min(t.touch_number) as first_number,
        count(*) filter (where t.occurred_at <= c.due_at) as touches_by_due,
        count(*) as touches_total
    from candidates as c
    inner join touches as t
        on
            c.lead = t.lead
            and coalesce(c.touch_channel, 'any') = t.scope
            and c.triggered_at <= t.occurred_at
            and (c.cancelled_at is null or c.cancelled_at >= t.occurred_at)
    group by all
)

select
    c.candidate,
    c.touches_by_due,
    c.touches_total,
    t.activity_id as satisfying_activity_id,
    t.occurred_at as satisfied_at
from counted as c
left join touches as t
    on
        c.lead = t.lead
        and c.scope = t.scope
        and c.first_number + c.required_touches - 1 = t.touch_number
        and c.required_touches <= c.touches_total;

-- Where a lead and rule have several candidates, those that come while an obligation is running open none.
create or replace temp table rivals as
select
    c.candidate,
    c.lead,
    c.rule_id,
    c.triggered_at,
    case when f.satisfied_at < c.due_at then f.satisfied_at else c.due_at end as ends_at,
    row_number() over (partition by c.lead, c.rule_id order by c.triggered_at, c.activity_id) as number
from candidates as c
inner join (
    select lead, rule_id from candidates group by lead, rule_id having count(*) > 1
) as several using (lead, rule_id)
left join follow_ups as f using (candidate);

create or replace temp table not_opened as
with recursive links as materialized (
    select e.lead, e.rule_id, e.number, min(l.number) as next_number
    from rivals as e
    inner join rivals as l
        on e.lead = l.lead and e.rule_id = l.rule_id and e.number < l.number and e.ends_at <= l.triggered_at
    group by all
),

opened as (
    select lead, rule_id, number from rivals where number = 1
    union all
    select l.lead, l.rule_id, l.next_number
    from opened as o
    inner join links as l using (lead, rule_id, number)
)

select r.candidate
from rivals as r
anti join opened as o using (lead, rule_id, number);

create or replace table marts.fct_sales_sla_obligations as
with promised as (
    select
        c.*,
        f.touches_by_due,
        f.touches_total,
        f.satisfying_activity_id,
        f.satisfied_at,
        coalesce(f.satisfied_at, c.cancelled_at) as ended_at
    from candidates as c
    anti join not_opened as n using (candidate)
    left join follow_ups as f using (candidate)
),

-- An elapsed position is the time itself; a business one is looked up.
as_of_positions as (
    select s.calendar_id, s.position + s.pace * (epoch_us(as_of()) - epoch_us(s.starts_at)) as position
    from spans as s
    where s.utc_date = cast(as_of() as date) and as_of() >= s.starts_at and as_of() < s.ends_at
),

measured as (
    select
        p.*,
        case
            when p.clock = 'elapsed' then epoch_us(p.ended_at)
            else s.position + s.pace * (epoch_us(p.ended_at) - epoch_us(s.starts_at))
        end as ended_position,
        case when p.clock = 'elapsed' then epoch_us(as_of()) else a.position end as as_of_position,
        coalesce(case when p.due_at <= as_of() then d.owner_id else o.owner_id end, 'unassigned') as responsible_rep_id
    from promised as p
    left join spans as s
        on
            case when p.clock = 'business' then p.calendar_id end = s.calendar_id
            and cast(p.ended_at as date) = s.utc_date
            and p.ended_at >= s.starts_at
            and p.ended_at < s.ends_at
    left join as_of_positions as a on p.calendar_id = a.calendar_id
    left join owners as d on p.lead = d.lead and holds_at(d.valid_from, d.valid_to, p.due_at)
    left join (from owners where valid_to is null) as o on p.lead = o.lead
),

judged as (
    select
        *,
        case
            when satisfied_at <= due_at then 'met'
            when satisfied_at is null and cancelled_at <= due_at then 'cancelled'
            when due_at >= as_of() then
                case
                    when as_of_position - triggered_position >= warn_fraction * (due_position - triggered_position)
                        then 'at_risk'
                    else 'pending'
                end
            when satisfied_at is not null then 'late'
            when cancelled_at is not null then 'closed'
            else 'violating'
        end as status,
        status in ('late', 'closed', 'violating') as is_breached
    from measured
)

select
    md5(
        l.lead_id || chr(31) || j.rule_id || chr(31) || cast(j.triggered_at as varchar) || chr(31)
        || coalesce(j.activity_id, '')
    ) as obligation_id,
    l.lead_id,
    j.rule_id,
    j.activity_id as trigger_activity_id,
    j.satisfying_activity_id,
    coalesce(j.owner_at_trigger, 'unassigned') as owner_at_trigger,
    j.responsible_rep_id,
    j.persona,
    j.status,
    case when j.satisfied_at is null then j.cancel_reason end as cancel_reason,
    cast(j.required_touches as bigint) as required_touches,
    coalesce(j.touches_by_due, 0) as touches_by_due,
    coalesce(j.touches_total, 0) as touches_total,
    (coalesce(j.ended_position, j.as_of_position) - j.triggered_position) / 6e7 as response_minutes,
    case
        when j.is_breached then (coalesce(j.ended_position, j.as_of_position) - j.due_position) / 6e7
    end as late_minutes,
    j.is_breached,
    j.rule_valid_from,
    j.triggered_at,
    j.due_at,
    j.satisfied_at,
    case when j.satisfied_at is null then j.cancelled_at end as cancelled_at,
    case when j.is_breached then j.due_at end as breached_at
from judged as j
inner join leads as l using (lead);

create or replace table marts.fct_sales_sla_daily as
with events as (
    select local_date(triggered_at) as date_day, rule_id, responsible_rep_id as rep_id, 'triggered' as event
    from marts.fct_sales_sla_obligations
    union all
    select
        local_date(due_at),
        rule_id,
        responsible_rep_id,
        case when is_breached then 'breached' else status end
    from marts.fct_sales_sla_obligations
    where due_at < as_of()
    union all
    -- A violation that ends at midnight sharp is no longer open at the end of the day before.
    select local_date(coalesce(satisfied_at, cancelled_at) - interval 1 microsecond), rule_id, responsible_rep_id, 'ended'
    from marts.fct_sales_sla_obligations
    where status in ('late', 'closed')
),

counted as (
    select
        date_day,
        rule_id,
        rep_id,
        count(*) filter (where event = 'triggered') as triggered,
        count(*) filter (where event = 'met') as met,
        count(*) filter (where event = 'breached') as breached,
        count(*) filter (where event = 'cancelled') as cancelled,
        count(*) filter (where event = 'ended') as ended
    from events
    group by all
),

stocks as (
    select
        *,
        sum(breached - ended) over per_rep as open_violations,
        lead(date_day) over per_rep as next_date_day
    from counted
    window per_rep as (partition by rule_id, rep_id order by date_day)
),

-- Until the next day with an event the stock stays as it is; an empty one has no row.
filled as (
    select date_day, rule_id, rep_id, triggered, met, breached, cancelled, open_violations from stocks
    union all
    select
        cast(unnest(generate_series(
            date_day + interval 1 day,
            coalesce(next_date_day - interval 1 day, local_date(as_of())),
            interval 1 day
        )) as date),
        rule_id,
        rep_id,
        0,
        0,
        0,
        0,
        open_violations
    from stocks
    where open_violations > 0
)

select
    date_day,
    rule_id,
    rep_id,
    triggered,
    met + breached as due,
    met,
    breached,
    cancelled,
    cast(open_violations as bigint) as open_violations,
    met / nullif(cast(met + breached as double), 0) as attainment_rate
from filled
where triggered + met + breached + cancelled + open_violations > 0;

create or replace table marts.rep_scorecard as
select
    cast(date_trunc('week', local_date(due_at)) as date) as week_start_date,
    responsible_rep_id as rep_id,
    rule_id,
    count(*) as due,
    count(*) filter (where not is_breached) as met,
    count(*) filter (where is_breached) as breached,
    count(*) filter (where not is_breached) / cast(count(*) as double) as attainment_rate,
    quantile_cont(response_minutes, 0.5) as p50_response_minutes,
    quantile_cont(response_minutes, 0.9) as p90_response_minutes
from marts.fct_sales_sla_obligations
where due_at < as_of() and (status = 'met' or is_breached)
group by all;

create or replace temp table listed as
select
    o.obligation_id,
    o.rule_id,
    r.rule_name,
    o.lead_id,
    o.responsible_rep_id,
    coalesce(reps.full_name, o.responsible_rep_id) as rep_name,
    reps.team,
    l.owner_id as current_owner_id,
    o.persona,
    l.lead_source,
    o.required_touches,
    o.touches_total,
    o.late_minutes,
    o.triggered_at,
    o.due_at,
    o.status
from marts.fct_sales_sla_obligations as o
inner join policy.sales_sla_rules as r on o.rule_id = r.rule_id and o.rule_valid_from = r.valid_from
left join marts.dim_reps as reps on o.responsible_rep_id = reps.rep_id
left join marts.dim_leads as l on o.lead_id = l.lead_id
where o.status in ('violating', 'at_risk');

create or replace table marts.do_not_be_on_it as
select
    * exclude (triggered_at, due_at, status),
    (epoch_us(as_of()) - epoch_us(due_at)) / 6e7 / 1440 as violation_age_days,
    triggered_at,
    due_at
from listed
where status = 'violating';

create or replace table marts.due_soon as
select
    * exclude (triggered_at, due_at, status),
    cast(null as double) as violation_age_days,
    (epoch_us(due_at) - epoch_us(as_of())) / 6e7 as minutes_left,
    triggered_at,
    due_at
from listed
where status = 'at_risk';

create or replace table marts.fct_speed_to_lead as
with conversions as (
    select lead, lead_id, first_conversion_at from persons
    where not is_merged and first_conversion_at is not null
),

answers as (
    select
        c.lead,
        min(a.occurred_at) filter (where a.is_touch) as first_touch_at,
        min(a.occurred_at) filter (where a.is_contact) as first_contact_at
    from conversions as c
    inner join activities as a using (lead)
    where (a.is_touch or a.is_contact) and a.occurred_at >= c.first_conversion_at
    group by c.lead
),

owned as (
    select
        c.lead,
        min(greatest(o.valid_from, c.first_conversion_at)) as assigned_at,
        any_value(o.owner_id) filter (where o.valid_from <= c.first_conversion_at) as owner_id
    from conversions as c
    inner join owners as o using (lead)
    where o.owner_id is not null and (o.valid_to is null or c.first_conversion_at < o.valid_to)
    group by c.lead
),

instants as (
    select
        c.lead_id,
        c.first_conversion_at,
        o.assigned_at,
        a.first_touch_at,
        a.first_contact_at,
        coalesce(r.calendar_id, getvariable('default_calendar')) as calendar_id,
        epoch_us(a.first_touch_at) - epoch_us(c.first_conversion_at) as elapsed_us,
        epoch_us(least(o.assigned_at, a.first_touch_at)) - epoch_us(c.first_conversion_at) as system_us
    from conversions as c
    left join answers as a using (lead)
    left join owned as o using (lead)
    left join rep_calendars as r on o.owner_id = r.rep_id
)

select
    i.lead_id,
    case
        when i.elapsed_us is null then 'never'
        when i.elapsed_us <= 5 * 6e7 then '<=5m'
        when i.elapsed_us <= 30 * 6e7 then '5-30m'
        when i.elapsed_us <= 60 * 6e7 then '30-60m'
        when i.elapsed_us <= 24 * 60 * 6e7 then '1-24h'
        else '>24h'
    end as speed_band,
    i.elapsed_us / 6e7 as elapsed_minutes,
    (
        t.position + t.pace * (epoch_us(i.first_touch_at) - epoch_us(t.starts_at))
        - c.position - c.pace * (epoch_us(i.first_conversion_at) - epoch_us(c.starts_at))
    ) / 6e7 as business_minutes,
    i.system_us / 6e7 as system_delay_minutes,
    (i.elapsed_us - i.system_us) / 6e7 as rep_delay_minutes,
    i.first_conversion_at,
    i.assigned_at,
    i.first_touch_at,
    i.first_contact_at
from instants as i
left join spans as c
    on
        i.calendar_id = c.calendar_id
        and cast(i.first_conversion_at as date) = c.utc_date
        and i.first_conversion_at >= c.starts_at
        and i.first_conversion_at < c.ends_at
left join spans as t
    on
        i.calendar_id = t.calendar_id
        and cast(i.first_touch_at as date) = t.utc_date
        and i.first_touch_at >= t.starts_at
        and i.first_touch_at < t.ends_at;

-- --- Marketing SLA -------------------------------------------------------------------------------------------------------

create or replace temp table lead_values as
select
    * exclude (win_rate, average_purchase_price_usd),
    cast(round(win_rate * average_purchase_price_usd, 2) as decimal(18, 2)) as value_usd
from policy.lead_values;

create or replace table marts.fct_marketing_credits as
with credited as (
    select
        a.lead,
        a.activity_id,
        t.activity_type,
        t.journey_stage,
        a.occurred_at,
        greatest(a.occurred_at, q.qualified_at) as credited_at,
        local_date(greatest(a.occurred_at, q.qualified_at)) as credited_date,
        a.occurred_at <= q.qualified_at as is_so_far
    from activities as a
    inner join qualified as q using (lead)
    inner join types as t using (type)
    where a.stage_rank is not null
),

-- The value of the type, else of any type.
valued as (
    select
        c.*,
        p.persona,
        coalesce(t.value_usd, v.value_usd) as value_usd
    from credited as c
    inner join personas as p on c.lead = p.lead and holds_at(p.valid_from, p.valid_to, c.credited_at)
    left join lead_values as t
        on
            p.persona = t.persona
            and c.journey_stage = t.journey_stage
            and c.activity_type = t.activity_type
            and in_force(t.valid_from, t.valid_to, c.credited_date)
    left join (from lead_values where activity_type is null) as v
        on
            p.persona = v.persona
            and c.journey_stage = v.journey_stage
            and in_force(v.valid_from, v.valid_to, c.credited_date)
    where coalesce(t.value_usd, v.value_usd) > 0
),

-- On qualifying, the best so far counts alone, the earliest of equals; so it stands first, as of all that is so far.
increments as (
    select
        *,
        value_usd - coalesce(max(value_usd) over (
            partition by lead
            order by
                is_so_far desc,
                case when is_so_far then -value_usd end,
                occurred_at,
                activity_id
            rows between unbounded preceding and 1 preceding
        ), 0) as increment_usd
    from valued
)

select
    md5(l.lead_id || chr(31) || i.activity_id) as credit_id,
    l.lead_id,
    i.persona,
    i.journey_stage,
    i.activity_id,
    l.lead_source,
    cast(i.increment_usd as decimal(18, 2)) as value_usd,
    i.credited_date,
    i.credited_at
from increments as i
inner join leads as l using (lead)
where i.increment_usd > 0 and not l.is_merged;

create or replace temp table targets as
with promised as (
    select
        t.target_month,
        t.persona,
        t.target_value_usd,
        coalesce(t.target_leads, t.leads_per_rep * (
            select count(*) from marts.dim_reps as r
            where
                in_force(r.active_from, r.active_to, t.target_month)
                and (
                    coalesce(r.personas, '') = ''
                    or list_contains(string_split(replace(r.personas, ' ', ''), '|'), t.persona)
                )
        )) as target_leads,
        (
            select v.value_usd
            from policy.buyer_matrix as m
            inner join policy.journey_stages as s using (journey_stage)
            left join lead_values as v
                on
                    m.persona = v.persona
                    and m.journey_stage = v.journey_stage
                    and v.activity_type is null
                    and in_force(v.valid_from, v.valid_to, t.target_month)
            where m.persona = t.persona and m.passes_to_sales and in_force(m.valid_from, m.valid_to, t.target_month)
            order by s.stage_rank
            limit 1
        ) as lead_value_usd
    from policy.marketing_targets as t
)

select
    target_month,
    persona,
    cast(nullif(target_leads, 0) as double) as target_leads,
    nullif(cast(coalesce(target_value_usd, target_leads * lead_value_usd) as decimal(18, 2)), 0) as target_value_usd
from promised;

create or replace table marts.fct_marketing_sla_daily as
with first_day as (
    select least(
        (select min(target_month) from targets),
        (select min(qualified_date) from marts.fct_qualified_leads)
    ) as date_day
),

business_days as (
    select distinct date_day from windows where calendar_id = getvariable('default_calendar')
),

today as (
    select
        local_date(as_of()) as date_day,
        (epoch_us(as_of()) - epoch_us(min(instant))) / cast(epoch_us(max(instant)) - epoch_us(min(instant)) as double)
            as share_passed
    from local_instants
    where
        time_zone = getvariable('reporting_time_zone')
        and local_at in (local_date(as_of()), local_date(as_of()) + 1)
),

-- How much of its month each day leaves behind.
month_days as (
    select
        d.date_day,
        cast(date_trunc('month', d.date_day) as date) as month,
        d.date_day < t.date_day as is_full_day,
        case when d.date_day = t.date_day then t.share_passed else 1.0 end as share_passed,
        case when b.date_day is not null then 1 else 0 end as is_business_day
    from (
        select cast(unnest(generate_series(
            date_trunc('month', first_day.date_day), last_day(local_date(as_of())), interval 1 day
        )) as date) as date_day
        from first_day
        where first_day.date_day <= local_date(as_of())
    ) as d
    cross join today as t
    left join business_days as b on d.date_day = b.date_day
),

days as (
    select
        date_day,
        month,
        is_full_day,
        count(*) over (partition by month) as days_in_month,
        sum(share_passed) over (partition by month order by date_day) as elapsed_days,
        sum(is_business_day) over (partition by month) as business_days_in_month,
        sum(share_passed * is_business_day) over (partition by month order by date_day) as elapsed_business_days
    from month_days
),

paced_days as (
    select
        d.date_day,
        d.month,
        d.is_full_day,
        d.days_in_month - d.elapsed_days as days_left,
        case
            when getvariable('pacing') = 'business_days' and d.business_days_in_month > 0
                then d.elapsed_business_days / d.business_days_in_month
            else d.elapsed_days / d.days_in_month
        end as elapsed_share
    from days as d
    cross join first_day as f
    where d.date_day between f.date_day and local_date(as_of())
),

qualified_by_day as (
    select qualified_date as date_day, persona, count(*) as leads
    from marts.fct_qualified_leads
    group by all
),

credited_by_day as (
    select credited_date as date_day, persona, sum(value_usd) as value_usd
    from marts.fct_marketing_credits
    group by all
),

-- With `all`: a missing target adds nothing, and all missing is missing.
counted as (
    select
        d.date_day,
        case when grouping(p.persona) = 1 then 'all' else p.persona end as persona,
        coalesce(sum(q.leads), 0) as qualified_leads,
        coalesce(sum(c.value_usd), 0) as credited_value_usd,
        sum(t.target_leads) as target_leads,
        sum(t.target_value_usd) as target_value_usd
    from paced_days as d
    cross join (select distinct persona from policy.buyer_matrix) as p
    left join qualified_by_day as q on d.date_day = q.date_day and p.persona = q.persona
    left join credited_by_day as c on d.date_day = c.date_day and p.persona = c.persona
    left join targets as t on d.month = t.target_month and p.persona = t.persona
    group by grouping sets ((d.date_day, p.persona), (d.date_day))
),

to_date as (
    select
        c.*,
        d.elapsed_share,
        sum(c.qualified_leads) over (partition by c.persona, d.month order by c.date_day) as mtd_leads,
        sum(c.credited_value_usd) over (partition by c.persona, d.month order by c.date_day) as mtd_value_usd,
        c.target_leads * d.elapsed_share as ideal_leads,
        c.target_value_usd * d.elapsed_share as ideal_value_usd,
        -- The last 28 days that are over.
        d.days_left * case
            when row_number() over by_day - case when d.is_full_day then 0 else 1 end < 14 then null
            when d.is_full_day then avg(c.qualified_leads) over (by_day rows between 27 preceding and current row)
            else avg(c.qualified_leads) over (by_day rows between 28 preceding and 1 preceding)
        end as leads_to_come
    from counted as c
    inner join paced_days as d using (date_day)
    window by_day as (partition by c.persona order by c.date_day)
),

paced as (
    select
        *,
        case when target_value_usd is not null then cast(mtd_value_usd as double) else mtd_leads end as actual,
        case when target_value_usd is not null then ideal_value_usd else ideal_leads end as ideal
    from to_date
)

select
    date_day,
    persona,
    case
        when ideal is null then 'no_target'
        when actual < ideal * (1 - getvariable('pace_tolerance')) - 0.000001 then 'behind'
        when actual > ideal * (1 + getvariable('pace_tolerance')) + 0.000001 then 'ahead'
        else 'on_pace'
    end as pace,
    cast(qualified_leads as bigint) as qualified_leads,
    cast(mtd_leads as bigint) as mtd_leads,
    ideal_leads as ideal_mtd_leads,
    target_leads,
    mtd_leads / target_leads as leads_attainment_rate,
    cast(credited_value_usd as decimal(18, 2)) as credited_value_usd,
    cast(mtd_value_usd as decimal(18, 2)) as mtd_value_usd,
    -- Half a cent is rounded up, also where the floating number falls short of it by its last digits.
    cast(cast(ideal_value_usd as decimal(28, 8)) as decimal(18, 2)) as ideal_mtd_value_usd,
    cast(target_value_usd as decimal(18, 2)) as target_value_usd,
    cast(mtd_value_usd as double) / cast(target_value_usd as double) as value_attainment_rate,
    mtd_leads + leads_to_come as forecast_leads,
    mtd_leads + case
        when leads_to_come < 1.2815515655446004 * 1.2815515655446004 then 0
        else leads_to_come - 1.2815515655446004 * sqrt(leads_to_come)
    end as forecast_leads_low,
    mtd_leads + leads_to_come + 1.2815515655446004 * sqrt(leads_to_come) as forecast_leads_high
from paced;

create or replace table marts.run_metadata as
select
    cast(uuid() as varchar) as run_id,
    getvariable('reporting_time_zone') as reporting_time_zone,
    cast(date_trunc('second', now() at time zone 'UTC') as timestamp) as run_started_at,
    as_of() as as_of,
    max(newest_loaded_at) filter (where table_name = 'leads') as leads_loaded_at,
    max(newest_loaded_at) filter (where table_name = 'activities') as activities_loaded_at,
    max(newest_loaded_at) filter (where table_name = 'owner_changes') as owner_changes_loaded_at,
    max(newest_loaded_at) filter (where table_name = 'reps') as reps_loaded_at,
    max(newest_loaded_at) filter (where table_name = 'deals') as deals_loaded_at
from loads;
