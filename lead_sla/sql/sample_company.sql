-- The sample company: its draws, its clock, its reps, and the paths that its buyers take.
--
-- Times are whole seconds: `_s` since 1970 in UTC, `_ls` the same count on the wall clock of a region. Seconds are
-- integers, so that no arithmetic depends on a time zone of the session or on the order of the rows.
-- Given as variables: seed, start_s and end_s (the two instants between which the company lives).

-- Draws, uniform over [0, 1): a function of the seed, the lead (and the step of the lead) and a name, of nothing else.
-- The outer hash is needed: one hash of several columns leaves draws of the same lead correlated.
CREATE MACRO u(i, salt) AS (hash(hash(getvariable('seed'), i, salt)) >> 11) / 9007199254740992.0;
CREATE MACRO v(i, k, salt) AS (hash(hash(getvariable('seed'), i, k, salt)) >> 11) / 9007199254740992.0;
-- One of a list, from a uniform draw.
CREATE MACRO pick(options, draw) AS options[1 + floor((draw) * len(options))::BIGINT];
-- A delay around 1 with a long tail on both sides (log-logistic), from a uniform draw.
CREATE MACRO spread(draw, shape) AS pow(greatest(draw, 0.0005) / greatest(1 - draw, 0.0005), shape);

CREATE MACRO ts(s) AS make_timestamp((s) * 1000000);

-- When the loader lands what the CRM shows from second s on: at 02:00 each night, every full hour on the last day.
CREATE MACRO load_s(s) AS
    CASE
        WHEN s < getvariable('end_s') // 86400 * 86400 + 7200 THEN (s - 7200) // 86400 * 86400 + 93600
        ELSE least(s // 3600 * 3600 + 3600, getvariable('end_s'))
    END;

-- A second `part` (0 to 1) of the way through the ten days after s, or through what is left of the sample.
CREATE MACRO later_s(s, part) AS s + (least(864000, getvariable('end_s') - s) * (part))::BIGINT;

-- Working time of a rep: Monday to Friday, 09:00 to 17:30 (30,600 seconds a day). 1970-01-05 was a Monday.
CREATE MACRO week_day(ls) AS (ls - 345600) // 86400 % 7;
CREATE MACRO is_open(ls) AS week_day(ls) < 5 AND ls % 86400 BETWEEN 32400 AND 62999;
CREATE MACRO working_seconds(ls) AS
    (ls - 345600) // 604800 * 153000 + least(week_day(ls), 5) * 30600
    + CASE WHEN week_day(ls) < 5 THEN least(greatest(ls % 86400 - 32400, 0), 30600) ELSE 0 END;
CREATE MACRO at_working_second(w) AS
    345600 + (w // 30600 // 5 * 7 + w // 30600 % 5) * 86400 + 32400 + w % 30600;

-- When a rep answers: in working hours, or in the evening if the rep is one who does.
CREATE MACRO answer_ls(ls, delay, answers_off_hours) AS
    CASE
        WHEN answers_off_hours AND NOT is_open(ls) AND ls % 86400 BETWEEN 23400 AND 81000 THEN ls + least(delay, 7200)
        ELSE at_working_second(working_seconds(ls) + delay)
    END;

CREATE TABLE region AS
SELECT * FROM (VALUES
    (0, 'America/New_York', ['US', 'US', 'US', 'CA', 'BR']),
    (1, 'Europe/Amsterdam', ['NL', 'DE', 'GB', 'FR', 'BE']),
    (2, 'Australia/Sydney', ['AU', 'AU', 'NZ', 'SG', 'JP'])
) AS t (region, time_zone, countries);

-- Grain: rep. median_minutes: working minutes to the first answer, times later_factor in the last third of the sample.
-- skips: share of leads never answered. care: share of later steps of a lead that are answered. persists: chance of each
-- further attempt. catches_up: share of what was left undone that is done days later. evenings: share of off-hours leads
-- answered at once.
CREATE TABLE rep AS
SELECT * FROM (VALUES
    ('R01', 'Alice Morgan', 0, 'Americas', NULL, 'default', 'enterprise', 10, 1.0, 0.01, 0.93, 0.97, 0.9, 0.45),
    ('R02', 'Ben Carter', 0, 'Americas', 'R01', 'default', 'small_business', 5, 1.0, 0.01, 0.95, 0.98, 0.9, 0.60),
    ('R03', 'Carla Reyes', 0, 'Americas', 'R01', 'default', 'small_business', 16, 0.5, 0.02, 0.90, 0.92, 0.8, 0.40),
    ('R04', 'Daniel Kim', 0, 'Americas', 'R01', 'default', 'mid_market|enterprise', 16, 1.0, 0.02, 0.88, 0.93, 0.8, 0.35),
    ('R05', 'Erin Walsh', 0, 'Americas', 'R01', NULL, 'mid_market', 25, 1.5, 0.03, 0.82, 0.88, 0.7, 0.20),
    ('R06', 'Femke de Vries', 1, 'Europe', NULL, 'amsterdam', 'small_business', 8, 1.0, 0.01, 0.93, 0.95, 0.9, 0.45),
    ('R07', 'Giulia Conti', 1, 'Europe', 'R06', 'amsterdam', 'small_business', 14, 4.0, 0.03, 0.88, 0.92, 0.7, 0.30),
    ('R08', 'Hugo Lambert', 1, 'Europe', 'R06', 'amsterdam', 'mid_market|enterprise', 12, 1.0, 0.02, 0.92, 0.94, 0.8, 0.40),
    ('R09', 'Ivan Petrov', 1, 'Europe', 'R06', 'amsterdam', 'enterprise', 400, 1.0, 0.22, 0.50, 0.65, 0.2, 0.02),
    ('R10', 'Jack Thompson', 2, 'Pacific', NULL, 'sydney', 'mid_market|enterprise', 13, 1.0, 0.02, 0.90, 0.94, 0.8, 0.40),
    ('R11', 'Kiri Walker', 2, 'Pacific', 'R10', 'sydney', 'small_business', 7, 1.0, 0.01, 0.93, 0.96, 0.9, 0.50),
    ('R12', 'Liam Nguyen', 2, 'Pacific', 'R10', 'singapore', NULL, 40, 0.6, 0.05, 0.80, 0.88, 0.6, 0.15)
) AS t (
    rep_id, full_name, region, team, manager_id, calendar_id, personas,
    median_minutes, later_factor, skips, care, persists, catches_up, evenings
);

-- R12 joins after two fifths of the sample, R05 leaves shortly before its end.
SET VARIABLE joined_s = (
    SELECT (getvariable('start_s') + (getvariable('end_s') - getvariable('start_s')) * 2 // 5) // 86400 * 86400
);
SET VARIABLE left_s = (
    SELECT (getvariable('start_s') + (getvariable('end_s') - getvariable('start_s')) * 92 // 100) // 86400 * 86400
);
SET VARIABLE later_s = (SELECT getvariable('end_s') - (getvariable('end_s') - getvariable('start_s')) // 3);

-- Versions of the reps, as the CRM shows them.
CREATE TABLE reps AS
WITH version AS (
    SELECT
        rep.*,
        CASE rep_id WHEN 'R12' THEN getvariable('joined_s') ELSE getvariable('start_s') END AS s,
        NULL::DATE AS active_to
    FROM rep
    UNION ALL
    -- The same row twice: an exact duplicate.
    SELECT *, getvariable('start_s'), NULL FROM rep WHERE rep_id = 'R03'
    UNION ALL
    -- Where two days are all there are, told on the second.
    SELECT
        *,
        greatest(getvariable('left_s') - 86400, getvariable('start_s') + 86400),
        ts(getvariable('left_s'))::DATE
    FROM rep
    WHERE rep_id = 'R05'
    UNION ALL
    -- R08 served one persona at first.
    SELECT * REPLACE ('mid_market' AS personas), getvariable('start_s') - 86400, NULL FROM rep WHERE rep_id = 'R08'
)
SELECT
    rep_id,
    full_name,
    lower(replace(full_name, ' ', '.')) || '@example.com' AS email,
    team,
    manager_id,
    calendar_id,
    personas,
    CASE rep_id
        WHEN 'R12' THEN ts(getvariable('joined_s'))::DATE
        ELSE ts(getvariable('start_s'))::DATE - (100 + 80 * right(rep_id, 2)::INTEGER)
    END AS active_from,
    active_to,
    ts(load_s(s)) AS _loaded_at
FROM version
ORDER BY _loaded_at, rep_id;

-- Who is given a lead: grain region, persona and phase (0 before R12, 1 with R12, 2 after R05).
CREATE TABLE routing AS
SELECT region.region, persona.persona, phase.phase, list(rep.rep_id ORDER BY rep.rep_id) AS rep_ids
FROM region
CROSS JOIN (VALUES ('small_business'), ('mid_market'), ('enterprise'), ('unknown')) AS persona (persona)
CROSS JOIN range(3) AS phase (phase)
INNER JOIN rep
    ON region.region = rep.region
    AND (persona.persona = 'unknown' OR rep.personas IS NULL OR contains(rep.personas, persona.persona))
    AND NOT (rep.rep_id = 'R12' AND phase.phase = 0)
    AND NOT (rep.rep_id = 'R05' AND phase.phase = 2)
GROUP BY ALL;

-- The difference between a region's wall clock and UTC, by local day (that of its noon, which is near enough).
CREATE TABLE local_day AS
SELECT
    region.region,
    day.day,
    epoch(noon.noon)::BIGINT - epoch(timezone(region.time_zone, noon.noon))::BIGINT AS offset_s
FROM region
CROSS JOIN range(getvariable('start_s') // 86400 - 60, getvariable('end_s') // 86400 + 60) AS day (day)
CROSS JOIN LATERAL (SELECT make_timestamp((day.day * 86400 + 43200) * 1000000) AS noon) AS noon;

-- When leads arrive: every hour of the sample owns slots in proportion to its weight, and a lead draws a slot.
SET VARIABLE arrival_slots = (getvariable('end_s') // 3600 - getvariable('start_s') // 3600) * 16;
CREATE TABLE arrival AS
WITH hour AS (
    SELECT
        region.region,
        h.h * 3600 AS hour_s,
        h.h * 3600 + local_day.offset_s AS hour_ls,
        local_day.offset_s,
        (h.h * 3600 - getvariable('start_s')) / (getvariable('end_s') - getvariable('start_s')) AS elapsed
    FROM region
    CROSS JOIN range(getvariable('start_s') // 3600, getvariable('end_s') // 3600) AS h (h)
    INNER JOIN local_day ON region.region = local_day.region AND h.h // 24 = local_day.day
), weighted AS (
    SELECT
        *,
        -- Monday to Sunday; night, early, working hours, evening; a quarter more leads at the end; a quiet year's end.
        -- Whole numbers, because their sums are the same in any order.
        round(1e6 * [1.10, 1.20, 1.15, 1.10, 0.90, 0.16, 0.14][1 + week_day(hour_ls)]
        * CASE
            WHEN hour_ls % 86400 // 3600 < 6 THEN 0.03
            WHEN hour_ls % 86400 // 3600 < 9 THEN 0.22
            WHEN hour_ls % 86400 // 3600 < 12 THEN 1.10
            WHEN hour_ls % 86400 // 3600 < 14 THEN 0.85
            WHEN hour_ls % 86400 // 3600 < 17 THEN 1.15
            WHEN hour_ls % 86400 // 3600 < 22 THEN 0.22
            ELSE 0.06
        END
        * (0.9 + 0.25 * elapsed)
        * CASE WHEN strftime(ts(hour_ls), '%m%d') >= '1223' OR strftime(ts(hour_ls), '%m%d') <= '0102' THEN 0.4 ELSE 1 END
        )::BIGINT AS weight
    FROM hour
), placed AS (
    SELECT
        *,
        sum(weight) OVER (PARTITION BY region ORDER BY hour_s) / sum(weight) OVER (PARTITION BY region) AS upto
    FROM weighted
)
SELECT region, hour_s, offset_s, unnest(range(first_slot, next_slot)) AS slot
FROM (
    SELECT
        *,
        round(upto * getvariable('arrival_slots'))::BIGINT AS next_slot,
        coalesce(lag(round(upto * getvariable('arrival_slots'))::BIGINT) OVER (PARTITION BY region ORDER BY hour_s), 0)
            AS first_slot
    FROM placed
);

-- What buyers do. Grain: step of a path. `day`: days after the arrival, at an average pace; is_exact: at no other pace.
CREATE TABLE path_step AS
SELECT path, k, activity_type, day, coalesce(is_exact, false) AS is_exact
FROM (VALUES
    ('download', 1, 'content_download', 0.0, NULL), ('download', 2, 'visit', 0.02, NULL),
    ('download', 3, 'visit', 6, NULL),
    ('nurtured', 1, 'content_download', 0, NULL), ('nurtured', 2, 'visit', 2, NULL), ('nurtured', 3, 'webinar', 6, NULL),
    ('nurtured', 4, 'visit', 8, NULL),
    ('nurtured', 5, 'visit', 15, NULL),
    ('researcher', 1, 'content_download', 0, NULL), ('researcher', 2, 'visit', 3, NULL),
    ('researcher', 3, 'product_download', 7, NULL), ('researcher', 4, 'visit', 9, NULL),
    ('researcher', 5, 'visit', 12, NULL),
    ('sampler', 1, 'product_download', 0, NULL), ('sampler', 2, 'visit', 2, NULL),
    ('buyer', 1, 'visit', -0.01, NULL), ('buyer', 2, 'content_download', 0, NULL), ('buyer', 3, 'webinar', 5, NULL),
    ('buyer', 4, 'product_download', 9, NULL), ('buyer', 5, 'demo_request', 14, NULL),
    ('demo', 1, 'visit', -0.02, NULL), ('demo', 2, 'demo_request', 0, NULL), ('demo', 3, 'visit', 1.5, NULL),
    ('demo', 4, 'visit', 5, NULL),
    ('demo_trial', 1, 'demo_request', 0, NULL), ('demo_trial', 2, 'visit', 2, NULL),
    ('demo_trial', 3, 'pricing_visit', 4, NULL), ('demo_trial', 4, 'free_trial', 7, NULL),
    ('trial', 1, 'visit', -0.01, NULL), ('trial', 2, 'free_trial', 0, NULL), ('trial', 3, 'visit', 0.5, NULL),
    ('trial', 4, 'visit', 2, NULL), ('trial', 5, 'visit', 6, NULL),
    ('trial_demo', 1, 'free_trial', 0, NULL), ('trial_demo', 2, 'visit', 1, NULL),
    ('trial_demo', 3, 'demo_request', 4, NULL), ('trial_demo', 4, 'pricing_visit', 9, NULL),
    ('product', 1, 'product_download', 0, NULL), ('product', 2, 'visit', 1, NULL), ('product', 3, 'pricing_visit', 5, NULL),
    ('product', 4, 'visit', 6, NULL),
    ('download_trial', 1, 'content_download', 0, NULL), ('download_trial', 2, 'visit', 2, NULL),
    ('download_trial', 3, 'free_trial', 5, NULL), ('download_trial', 4, 'visit', 5.5, NULL),
    ('pricing', 1, 'visit', 0, NULL), ('pricing', 2, 'pricing_visit', 0.05, NULL),
    ('browser', 1, 'visit', 0, NULL), ('browser', 2, 'visit', 3, NULL),
    ('browser', 3, 'visit', 9, NULL),
    ('webinar', 1, 'webinar', 0, NULL), ('webinar', 2, 'visit', 1, NULL),
    ('repeat_demo', 1, 'demo_request', 0, NULL), ('repeat_demo', 2, 'demo_request', 1, NULL),
    ('repeat_demo', 3, 'visit', 2, NULL),
    ('repeat_trial', 1, 'free_trial', 0, NULL), ('repeat_trial', 2, 'pricing_visit', 3, NULL),
    ('repeat_trial', 3, 'free_trial', 12, NULL),
    ('repeat_download', 1, 'content_download', 0, NULL), ('repeat_download', 2, 'content_download', 1, NULL),
    ('repeat_download', 3, 'content_download', 9, NULL),
    -- Paths of traps alone.
    ('tour', 1, 'visit', -0.01, NULL), ('tour', 2, 'content_download', 0, NULL), ('tour', 3, 'visit', 0.02, NULL),
    ('tour', 4, 'product_download', 2, NULL), ('tour', 5, 'demo_request', 4, NULL), ('tour', 6, 'free_trial', 6, NULL),
    ('single', 1, 'content_download', 0, NULL),
    ('before', 1, 'webinar', -3, NULL), ('before', 2, 'content_download', -2, NULL), ('before', 3, 'free_trial', 0, NULL),
    ('twins', 1, 'demo_request', 0, true), ('twins', 2, 'content_download', 0, true), ('twins', 3, 'free_trial', 0, true),
    ('demo_at_deadline', 1, 'demo_request', 0, true), ('demo_at_deadline', 2, 'demo_request', 3, true),
    ('demo_while_running', 1, 'demo_request', 0, true), ('demo_while_running', 2, 'demo_request', 0.01, true),
    ('demo_while_running', 3, 'demo_request', 6, true)
) AS t (path, k, activity_type, day, is_exact);

-- Which path, in per cent of the persona, and what it is worth: the share that buys, as in the seed lead_values.
CREATE TABLE path_choice AS
WITH weight AS (
    SELECT * FROM (VALUES
        ('download', 19, 21, 27, 0.004, 0.010, 0.008),
        ('nurtured', 8, 17, 19, 0.004, 0.010, 0.008),
        ('researcher', 6, 16, 8, 0.008, 0.020, 0.015),
        ('sampler', 2, 8, 4, 0.008, 0.020, 0.015),
        ('buyer', 4, 5, 3, 0.024, 0.060, 0.045),
        ('demo', 4, 6, 2, 0.024, 0.060, 0.045),
        ('demo_trial', 4, 4, 1, 0.060, 0.090, 0.080),
        ('trial', 18, 3, 1, 0.060, 0.090, 0.080),
        ('trial_demo', 7, 2, 0, 0.060, 0.090, 0.080),
        ('product', 6, 2, 0, 0.060, 0.090, 0.080),
        ('download_trial', 6, 2, 1, 0.060, 0.090, 0.080),
        ('pricing', 4, 1, 0, 0.060, 0.090, 0.080),
        ('browser', 7, 9, 28, 0.002, 0.004, 0.004),
        ('webinar', 1, 2, 4, 0.004, 0.010, 0.008),
        ('repeat_demo', 1, 1, 0, 0.024, 0.060, 0.045),
        ('repeat_trial', 1, 0, 0, 0.060, 0.090, 0.080),
        ('repeat_download', 2, 1, 2, 0.004, 0.010, 0.008)
    ) AS t (path, small_business, mid_market, enterprise, small_business_wins, mid_market_wins, enterprise_wins)
), weighted AS (
    SELECT path, 'small_business' AS persona, small_business AS weight, small_business_wins AS win_rate FROM weight
    UNION ALL
    SELECT path, 'mid_market', mid_market, mid_market_wins FROM weight
    UNION ALL
    SELECT path, 'enterprise', enterprise, enterprise_wins FROM weight
)
SELECT persona, path, win_rate, unnest(range(upto - weight, upto)) AS slot
FROM (SELECT *, (sum(weight) OVER (PARTITION BY persona ORDER BY path))::BIGINT AS upto FROM weighted);

-- What a rep means to do about a step: attempt t, its type, working days after the first, chance (of a rep who persists).
CREATE TABLE attempt AS
SELECT * FROM (VALUES
    ('content_download', 1, 'email', 0.0, 1.0), ('content_download', 2, 'call', 1.2, 0.35),
    ('product_download', 1, 'call', 0, 1), ('product_download', 2, 'email', 1.5, 0.5),
    ('demo_request', 1, 'call', 0, 1), ('demo_request', 2, 'email', 0.6, 0.97), ('demo_request', 3, 'meeting', 2, 0.4),
    ('free_trial', 1, 'call', 0, 1), ('free_trial', 2, 'call', 1, 0.94), ('free_trial', 3, 'call', 2, 0.91),
    ('free_trial', 4, 'email', 0.2, 0.4),
    ('webinar', 1, 'email', 0, 1), ('webinar', 2, 'call', 1, 0.3),
    ('pricing_visit', 1, 'call', 0, 1), ('pricing_visit', 2, 'email', 2, 0.25),
    ('visit', 1, 'email', 0, 0.12)
) AS t (activity_type, t, touch_type, day, chance);
