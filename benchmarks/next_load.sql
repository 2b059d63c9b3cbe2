-- The next nightly load of a company: new leads and what they do, and news of leads that were there before.
--
-- Reads schema `raw`, and variables: share (of the leads), since and loaded_at (the newest load so far, and this one).
-- Leaves tables leads, activities, owner_changes and deals, with the columns of the raw contract. What is drawn is a function
-- of an id, a name of the draw and the load, so that the same raw data gives the same load, and each night another.

CREATE MACRO draw(id, salt) AS (hash(hash(id, salt, getvariable('loaded_at'))) >> 11) / 9007199254740992.0;
-- What an id has in it that is new, so that no night makes it twice.
SET VARIABLE night = strftime(getvariable('loaded_at'), '%y%m%d');
CREATE MACRO pick(options, drawn) AS options[1 + floor((drawn) * len(options))::BIGINT];
-- A whole second between the two loads.
CREATE MACRO between_loads(id, salt) AS
    getvariable('since')
    + to_seconds(floor(draw(id, salt) * date_diff('second', getvariable('since'), getvariable('loaded_at')))::BIGINT);
SET VARIABLE reps = (SELECT list(DISTINCT rep_id ORDER BY rep_id) FROM raw.reps);
SET VARIABLE new_leads = (
    SELECT ceil(count(DISTINCT lead_id) * getvariable('share'))::BIGINT FROM raw.leads
);

-- Grain: lead of before, of which there is news; its current version.
CREATE TEMP TABLE touched AS
SELECT unnest(arg_max(version, (version.updated_at, version._loaded_at)))
FROM raw.leads AS version
WHERE draw(version.lead_id, 'touched') < getvariable('share')
GROUP BY version.lead_id;

-- Grain: new lead.
CREATE TEMP TABLE new AS
SELECT
    'N' || getvariable('night') || lpad(number::VARCHAR, 7, '0') AS lead_id,
    number,
    between_loads(number, 'created') AS created_at,
    pick(getvariable('reps'), draw(number, 'owner')) AS owner_id
FROM range(1, getvariable('new_leads') + 1) AS numbers (number);

-- All new leads, and a new version of two in five of the others: grown into another persona, disqualified, opted out, deleted,
-- merged into another, or nothing of interest.
CREATE TABLE leads AS
SELECT
    lead_id,
    created_at,
    created_at AS updated_at,
    'new' || number || '@example.com' AS email,
    'Next ' || number AS company_name,
    CASE WHEN draw(number, 'known') < 0.8 THEN pow(30000, draw(number, 'size'))::BIGINT END AS employee_count,
    pick(['US', 'NL', 'AU'], draw(number, 'country')) AS country_code,
    pick(['organic_search', 'paid_search', 'referral', 'events'], draw(number, 'source')) AS lead_source,
    owner_id,
    NULL::TIMESTAMP AS disqualified_at,
    NULL::VARCHAR AS disqualified_reason,
    NULL::TIMESTAMP AS opted_out_at,
    NULL::VARCHAR AS merged_into_lead_id,
    NULL::TIMESTAMP AS merged_at,
    false AS is_test,
    false AS is_deleted,
    getvariable('loaded_at') AS _loaded_at
FROM new
UNION ALL BY NAME
SELECT
    touched.* REPLACE (
        between_loads(lead_id, 'updated') AS updated_at,
        CASE WHEN news = 'grown' THEN coalesce(employee_count, 50) * 20 ELSE employee_count END AS employee_count,
        CASE WHEN news = 'disqualified' THEN between_loads(lead_id, 'updated') ELSE disqualified_at END AS disqualified_at,
        CASE WHEN news = 'opted_out' THEN between_loads(lead_id, 'updated') ELSE opted_out_at END AS opted_out_at,
        CASE WHEN news = 'merged' THEN other_lead_id ELSE merged_into_lead_id END AS merged_into_lead_id,
        CASE WHEN news = 'merged' AND other_lead_id IS NOT NULL THEN between_loads(lead_id, 'updated') ELSE merged_at END
            AS merged_at,
        news = 'deleted' AS is_deleted,
        getvariable('loaded_at') AS _loaded_at
    )
FROM touched
INNER JOIN (
    SELECT
        lead_id,
        lag(lead_id) OVER (ORDER BY lead_id) AS other_lead_id,
        pick(['grown', 'grown', 'disqualified', 'opted_out', 'deleted', 'merged', 'nothing'], draw(lead_id, 'news')) AS news
    FROM touched
) USING (lead_id)
WHERE draw(lead_id, 'has news') < 0.4;

CREATE TABLE owner_changes AS
SELECT
    lead_id,
    owner_id,
    created_at + to_seconds(floor(draw(number, 'assigned') * 3600)::BIGINT) AS changed_at,
    getvariable('loaded_at') AS _loaded_at
FROM new
UNION ALL
SELECT
    lead_id,
    pick(getvariable('reps'), draw(lead_id, 'next owner')),
    between_loads(lead_id, 'reassigned'),
    getvariable('loaded_at')
FROM touched
WHERE draw(lead_id, 'is reassigned') < 0.2;

-- Five activities for each of these leads, the first of a new lead being its conversion; and one in ten of the activities of
-- before is corrected: deleted, moved, or given an outcome.
CREATE TABLE activities AS
WITH done AS (
    SELECT lead_id, step, lead_id || '-' || getvariable('night') || '-' || step AS activity_id, is_new, first_at
    FROM (
        SELECT lead_id, created_at AS first_at, true AS is_new FROM new
        UNION ALL
        SELECT lead_id, getvariable('since'), false FROM touched
    )
    CROSS JOIN range(5) AS steps (step)
), typed AS (
    SELECT
        *,
        CASE
            WHEN is_new AND step = 0
                THEN pick(['content_download', 'product_download', 'demo_request', 'free_trial'], draw(activity_id, 'type'))
            ELSE
                pick(
                    [
                        'call', 'call', 'email', 'email', 'sms', 'meeting', 'reply', 'note', 'visit', 'pricing_visit',
                        'product_download', 'demo_request'
                    ],
                    draw(activity_id, 'type')
                )
        END AS activity_type
    FROM done
), before AS (
    SELECT unnest(arg_max(version, version._loaded_at))
    FROM raw.activities AS version
    WHERE version.lead_id IN (SELECT lead_id FROM touched) AND draw(version.activity_id, 'corrected') < 0.1
    GROUP BY version.activity_id
)
SELECT
    activity_id,
    lead_id,
    activity_type,
    CASE WHEN step = 0 THEN first_at ELSE greatest(first_at, between_loads(activity_id, 'occurred')) END AS occurred_at,
    CASE WHEN activity_type IN ('call', 'email', 'sms', 'meeting', 'note')
        THEN pick(getvariable('reps'), draw(activity_id, 'actor'))
    END AS actor_id,
    draw(activity_id, 'automated') < 0.05 AS is_automated,
    CASE WHEN activity_type = 'call'
        THEN pick(['connected', 'no_answer', 'voicemail'], draw(activity_id, 'outcome'))
    END AS outcome,
    NULL::VARCHAR AS asset,
    false AS is_deleted,
    getvariable('loaded_at') AS _loaded_at
FROM typed
UNION ALL BY NAME
SELECT
    before.* REPLACE (
        draw(activity_id, 'correction') < 0.3 AS is_deleted,
        CASE WHEN draw(activity_id, 'correction') >= 0.6 THEN occurred_at - INTERVAL 2 HOUR ELSE occurred_at END
            AS occurred_at,
        'connected' AS outcome,
        getvariable('loaded_at') AS _loaded_at
    )
FROM before;

-- A new deal for one lead in five; the open ones of before are won.
CREATE TABLE deals AS
WITH before AS (
    SELECT unnest(arg_max(version, (version.updated_at, version._loaded_at)))
    FROM raw.deals AS version
    WHERE version.lead_id IN (SELECT lead_id FROM touched)
    GROUP BY version.deal_id
)
SELECT
    lead_id || '-' || getvariable('night') AS deal_id,
    lead_id,
    owner_id,
    round(1000 + 50000 * draw(lead_id, 'amount'), -1)::DECIMAL(18, 2) AS amount,
    pick(['open', 'open', 'won'], draw(lead_id, 'status')) AS status,
    getvariable('since') AS created_at,
    CASE WHEN draw(lead_id, 'status') >= 2 / 3 THEN between_loads(lead_id, 'closed') END AS closed_at,
    between_loads(lead_id, 'closed') AS updated_at,
    getvariable('loaded_at') AS _loaded_at
FROM touched
WHERE draw(lead_id, 'has deal') < 0.2
UNION ALL BY NAME
SELECT before.* REPLACE (
    'won' AS status,
    between_loads(deal_id, 'won') AS closed_at,
    between_loads(deal_id, 'won') AS updated_at,
    getvariable('loaded_at') AS _loaded_at
)
FROM before
WHERE status = 'open';
