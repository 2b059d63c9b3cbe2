-- What buyers and reps did, and what became of it: activities and deals. Reads the table `lead`.

-- Grain: step of a lead's path that has happened by the end.
CREATE OR REPLACE TABLE step AS
WITH timed AS (
    SELECT
        lead.i, lead.trap, lead.region, lead.arrival_s, lead.offset_s, lead.first_touch_s,
        lead.is_worked, lead.care, lead.persists, lead.catches_up, lead.evenings, lead.median_minutes,
        lead.first_owner_id, lead.next_owner_id, lead.reassigned_s,
        least(lead.disqualified_s, lead.opted_out_s) AS stopped_s,
        path_step.k, path_step.activity_type, path_step.day,
        -- A step at an exact distance, and the arrival itself, keep the arrival's distance to UTC.
        path_step.is_exact OR path_step.day = 0 AS is_exact,
        lead.arrival_s + lead.offset_s AS arrival_ls,
        lead.pace * path_step.day * (0.75 + 0.5 * v(lead.i, path_step.k, 'gap')) AS days_later
    FROM lead
    INNER JOIN path_step ON lead.path = path_step.path
), dated AS (
    SELECT *, arrival_ls // 86400 + greatest(1, floor(days_later))::BIGINT AS day_number
    FROM timed
), placed AS (
    SELECT
        * EXCLUDE (day_number),
        CASE
            WHEN is_exact OR day < 0 THEN arrival_ls + (day * 86400)::BIGINT
            WHEN days_later < 0.5 THEN arrival_ls + (days_later * 86400)::BIGINT
            ELSE
                86400 * CASE
                    -- Most of what would fall on a weekend waits for Monday.
                    WHEN week_day(day_number * 86400) >= 5 AND v(i, k, 'weekend') < 0.7
                        THEN day_number + 7 - week_day(day_number * 86400)
                    ELSE day_number
                END
                + CASE
                    WHEN v(i, k, 'rhythm') < 0.84
                        THEN (31500 + 31000 * (v(i, k, 'time') + v(i, k, 'other time')) / 2)::BIGINT
                    ELSE (23400 + 60000 * v(i, k, 'time'))::BIGINT
                END
        END AS ls
    FROM dated
), moved AS (
    SELECT
        placed.* EXCLUDE (offset_s, days_later, arrival_ls),
        CASE WHEN placed.is_exact THEN placed.offset_s ELSE local_day.offset_s END AS offset_s
    FROM placed
    INNER JOIN local_day ON placed.region = local_day.region AND placed.ls // 86400 = local_day.day
)
SELECT
    *,
    ls - offset_s AS s,
    day = 0 AND activity_type NOT IN ('visit', 'webinar') AS is_arrival,
    activity_type IN ('content_download', 'product_download', 'demo_request', 'free_trial') AS is_conversion
FROM moved
WHERE ls - offset_s < getvariable('end_s');

CREATE OR REPLACE TABLE activities AS
WITH seen AS (
    -- The buyer's own steps; with every second conversion an automated mail, which is no touch.
    SELECT
        *,
        s + CASE kind WHEN 'mail' THEN 90 + (v(i, k, 'mail') * 600)::BIGINT ELSE 0 END AS seen_s
    FROM (
        SELECT
            *,
            unnest(
                CASE
                    WHEN trap IN ('touch_at_deadline', 'touch_just_late') THEN ['step']
                    WHEN is_conversion AND v(i, k, 'has mail') < 0.5 THEN ['step', 'mail']
                    ELSE ['step']
                END
            ) AS kind
        FROM step
    )
), buyer AS (
    SELECT
        i, trap, k, 0 AS t, kind,
        CASE
            WHEN kind = 'mail' THEN 'email'
            WHEN trap = 'unknown_activity_type' AND activity_type = 'visit' THEN 'chat'
            ELSE activity_type
        END AS activity_type,
        seen_s AS s,
        -- What an unknown visitor did is known once the lead is there.
        greatest(seen_s, arrival_s) AS seen_s,
        NULL::VARCHAR AS actor_id,
        CASE
            WHEN kind = 'mail' OR (trap = 'automated_trigger' AND is_conversion) THEN true
            WHEN v(i, k, 'automated known') < 0.9 THEN false
        END AS is_automated,
        NULL::VARCHAR AS outcome,
        CASE CASE kind WHEN 'step' THEN activity_type END
            WHEN 'content_download' THEN pick(['buyers-guide', 'benchmark-report', 'checklist'], v(i, k, 'asset'))
            WHEN 'product_download' THEN pick(['datasheet', 'sdk', 'security-paper'], v(i, k, 'asset'))
            WHEN 'visit' THEN pick(['/', '/blog', '/product', '/customers'], v(i, k, 'asset'))
            WHEN 'pricing_visit' THEN '/pricing'
        END AS asset
    FROM seen
), answered AS (
    -- Each step that the rep answers, and when the first attempt is.
    SELECT
        *,
        CASE
            WHEN is_arrival THEN first_touch_s
            ELSE answer_ls(
                ls,
                CASE
                    WHEN trap IS NOT NULL THEN 1800
                    ELSE (60 * (20 + 4 * median_minutes) * spread(v(i, k, 'delay'), 0.7))::BIGINT
                        -- What was left undone is found days later.
                        + CASE WHEN v(i, k, 'care') < care THEN 0 ELSE (30600 * (2 + 8 * v(i, k, 'found')))::BIGINT END
                END,
                v(i, k, 'evening') < evenings * 0.5
            ) - offset_s
        END AS answer_s
    FROM step
    WHERE is_worked AND (is_arrival OR trap IS NOT NULL OR v(i, k, 'care') < care + (1 - care) * catches_up)
), planned AS (
    SELECT
        answered.*,
        attempt.t, attempt.touch_type,
        attempt.day AS days_later,
        attempt.chance,
        -- The attempts of a lead have numbers of their own, for draws.
        answered.k * 10 + attempt.t AS n,
        -- The chance that the rep does it when it is due.
        attempt.chance * pow(answered.persists, attempt.t - 1) AS prompt_chance,
        v(answered.i, answered.k * 10 + attempt.t, 'chance') AS chance_draw
    FROM answered
    INNER JOIN attempt ON answered.activity_type = attempt.activity_type
    WHERE
        attempt.t = 1
        OR coalesce(answered.trap NOT IN ('touch_at_deadline', 'touch_just_late', 'trigger_at_deadline'), true)
), attempted AS (
    SELECT
        i, trap, k, t, n, touch_type, first_owner_id, next_owner_id, reassigned_s, stopped_s,
        CASE
            WHEN trap = 'touch_at_deadline' THEN arrival_s + 3600
            WHEN trap = 'touch_just_late' THEN arrival_s + 3601
            WHEN t = 1 THEN answer_s
            ELSE at_working_second(
                working_seconds(answer_s + offset_s)
                + (30600 * days_later * (0.7 + 0.6 * v(i, n, 'gap')))::BIGINT
                + (1800 * v(i, n, 'minute'))::BIGINT
                + CASE WHEN chance_draw < prompt_chance THEN 0 ELSE (30600 * (5 + 10 * v(i, n, 'found')))::BIGINT END
            ) - offset_s
        END AS s
    FROM planned
    WHERE CASE
        WHEN chance >= 0.9 THEN t = 1 OR chance_draw < 1 - (1 - prompt_chance) * (1 - catches_up)
        -- Optional attempts are made when they are due, or not at all.
        ELSE chance_draw < prompt_chance AND (t > 1 OR trap IS NULL)
    END
), touched AS (
    SELECT
        *,
        CASE
            WHEN touch_type = 'call' AND v(i, n, 'type') < 0.08 THEN 'voicemail'
            WHEN touch_type = 'email' AND v(i, n, 'type') < 0.08 THEN 'sms'
            WHEN touch_type = 'email' AND v(i, n, 'type') < 0.16 THEN 'social_message'
            ELSE touch_type
        END AS activity_type,
        CASE
            WHEN trap = 'touch_without_actor' OR v(i, n, 'actor') < 0.005 THEN NULL
            WHEN s >= reassigned_s THEN next_owner_id
            ELSE first_owner_id
        END AS actor_id,
        -- What else a touch brings: the lead's reply, the rep's note, an opened mail.
        unnest(list_concat(
            ['touch'],
            CASE WHEN v(i, n, 'reply') < 0.13 THEN ['reply'] ELSE [] END,
            CASE WHEN v(i, n, 'note') < 0.25 THEN ['note'] ELSE [] END,
            CASE WHEN touch_type = 'email' AND v(i, n, 'open') < 0.6 THEN ['open'] ELSE [] END
        )) AS kind
    FROM attempted
    WHERE s < coalesce(stopped_s, getvariable('end_s'))
), seller AS (
    SELECT
        i, trap, k, t, kind,
        CASE kind WHEN 'touch' THEN activity_type WHEN 'open' THEN 'email_open' ELSE kind END AS activity_type,
        s + CASE kind
            WHEN 'touch' THEN 0
            WHEN 'note' THEN 120 + (900 * v(i, n, 'noted'))::BIGINT
            WHEN 'open' THEN 300 + (20000 * v(i, n, 'opened'))::BIGINT
            WHEN 'reply' THEN 60 + (1800 * spread(v(i, n, 'replied'), 1.0))::BIGINT
        END AS s,
        CASE WHEN kind IN ('touch', 'note') THEN actor_id END AS actor_id,
        CASE WHEN v(i, n, 'automated known') < 0.9 THEN false END AS is_automated,
        CASE CASE kind WHEN 'touch' THEN activity_type END
            WHEN 'call' THEN pick(
                ['connected', 'connected', 'no_answer', 'no_answer', 'no_answer', 'voicemail', 'voicemail'],
                v(i, n, 'outcome')
            )
            WHEN 'voicemail' THEN 'voicemail'
            WHEN 'meeting' THEN pick(['connected', 'connected', 'connected', 'connected', 'no_show'], v(i, n, 'outcome'))
        END AS outcome,
        NULL::VARCHAR AS asset
    FROM touched
), done AS (
    SELECT * FROM buyer
    UNION ALL
    SELECT i, trap, k, t, kind, activity_type, s, s AS seen_s, actor_id, is_automated, outcome, asset FROM seller
    UNION ALL
    -- A planned call: it lies after the end of the sample, and is loaded by then.
    SELECT
        i, trap, 9, 9, 'touch', 'call', getvariable('end_s') + 1800 + (u(i, 'ahead') * 100000)::BIGINT,
        getvariable('end_s') - 600, first_owner_id, false, 'connected', NULL
    FROM lead
    WHERE trap = 'future_activity'
    UNION ALL
    SELECT
        i, trap, 9, 0, 'step', 'free_trial', created_s + 60, getvariable('end_s') - 60, NULL, false, NULL, NULL
    FROM lead
    WHERE trap = 'future_lead'
), versioned AS (
    -- 1: as first loaded; again 1: an exact duplicate; 2: loaded again with its outcome; 3: deleted; 4: undeleted;
    -- 5: moved into the future.
    SELECT
        *,
        load_s(seen_s + CASE WHEN trap = 'late_activities' THEN 259200 ELSE 0 END) AS loaded_s,
        unnest(
            CASE
                WHEN trap = 'duplicate_rows' THEN [1, 1]
                WHEN trap = 'reloaded_activities' THEN [1, 2]
                WHEN trap = 'deleted_activity' AND kind = 'touch' AND t = 1 THEN [1, 3]
                WHEN trap = 'undeleted_activity' AND kind = 'touch' AND t = 1 THEN [1, 3, 4]
                WHEN trap = 'activity_moved_to_future' AND kind = 'touch' AND t = 1 THEN [1, 5]
                ELSE [1]
            END
        ) AS version
    FROM done
    WHERE seen_s < getvariable('end_s') AND (trap IS NULL OR trap <> 'future_lead' OR k = 9)
)
SELECT
    'A' || lpad(i::VARCHAR, 8, '0') || kind[1] || k || CASE WHEN t > 0 THEN t::VARCHAR ELSE '' END AS activity_id,
    -- A lead that the CRM no longer knows, or never did.
    CASE WHEN trap = 'unknown_lead' AND t > 0 THEN 'X' ELSE 'L' END || lpad(i::VARCHAR, 8, '0') AS lead_id,
    activity_type,
    ts(
        CASE
            WHEN version = 5 THEN getvariable('end_s') + 172800
            -- A clock that runs five hours ahead.
            WHEN trap = 'future_activity' THEN s + 18000
            ELSE s
        END
    ) AS occurred_at,
    actor_id,
    is_automated,
    CASE WHEN trap = 'reloaded_activities' AND version = 1 AND kind = 'touch' THEN NULL ELSE outcome END AS outcome,
    asset,
    CASE WHEN version = 3 THEN true WHEN v(i, k, 'deleted known') < 0.9 OR version > 1 THEN false END AS is_deleted,
    ts(CASE version WHEN 1 THEN loaded_s WHEN 4 THEN load_s(load_s(loaded_s)) ELSE load_s(loaded_s) END) AS _loaded_at
FROM versioned
WHERE
    version = 1
    OR (version = 4 AND load_s(load_s(loaded_s)) > load_s(loaded_s))
    OR (version <> 4 AND load_s(loaded_s) > loaded_s)
ORDER BY _loaded_at, activity_id;

-- Deals: more for paths that go far, won the more often the sooner the lead was answered.
CREATE OR REPLACE TABLE deals AS
WITH rated AS (
    SELECT
        i, lead_id, persona, first_owner_id, next_owner_id, reassigned_s, created_s, stopped_s, last_s,
        u(i, 'deal') AS deal_draw,
        win_rate * CASE
            WHEN NOT is_worked THEN 0.1
            WHEN first_touch_s - arrival_s <= 300 THEN 1.6
            WHEN first_touch_s - arrival_s <= 1800 THEN 1.3
            WHEN first_touch_s - arrival_s <= 3600 THEN 1.1
            WHEN first_touch_s - arrival_s <= 86400 THEN 0.7
            ELSE 0.4
        END AS win_chance,
        -- A staged trap has its deal; elsewhere the traps of deals befall deals.
        is_staged AND trap IN (
            'won_without_closed_at', 'won_then_reopened', 'deal_corrected', 'won_before_deadline', 'duplicate_rows'
        ) AS has_staged_deal,
        CASE
            WHEN is_staged OR trap = 'duplicate_rows' THEN trap
            WHEN u(i, 'deal trap') < 0.02 THEN 'won_without_closed_at'
            WHEN u(i, 'deal trap') < 0.03 THEN 'won_then_reopened'
            WHEN u(i, 'deal trap') < 0.05 THEN 'deal_corrected'
            WHEN u(i, 'deal trap') < 0.06 THEN 'won_before_deadline'
        END AS deal_trap
    FROM (
        SELECT *, coalesce(least(disqualified_s, opted_out_s), getvariable('end_s')) AS stopped_s
        FROM lead
    )
    INNER JOIN (SELECT i AS step_i, max(s) AS last_s FROM step GROUP BY i) ON i = step_i
), dealt AS (
    SELECT
        *,
        CASE
            WHEN deal_trap = 'won_before_deadline' THEN created_s + 1200
            WHEN has_staged_deal THEN later_s(created_s, 0.3)
            ELSE last_s + 86400 + (u(i, 'opening') * 1000000)::BIGINT
        END AS opened_s,
        CASE
            WHEN deal_trap = 'won_before_deadline' THEN created_s + 2400
            WHEN has_staged_deal THEN later_s(created_s, 0.8)
            ELSE last_s + (u(i, 'opening') * 1000000)::BIGINT + CASE
                WHEN u(i, 'quick') < 0.1 THEN 90000 + (u(i, 'closing') * 172800)::BIGINT
                ELSE 345600 + (u(i, 'closing') * 3500000)::BIGINT
            END
        END AS closed_s,
        has_staged_deal OR deal_draw < win_chance AS is_won,
        round(
            CASE persona WHEN 'small_business' THEN 2500 WHEN 'mid_market' THEN 12000 ELSE 60000 END
            * (0.4 + 0.8 * u(i, 'amount') + 0.4 * u(i, 'discount')),
            -1
        )::DECIMAL(18, 2) AS amount
    FROM rated
    WHERE has_staged_deal OR deal_draw < least(0.7, 3.2 * win_chance)
), opened AS (
    SELECT
        *,
        CASE WHEN reassigned_s <= opened_s THEN next_owner_id ELSE first_owner_id END AS owner_id,
        -- An open deal's amount is mended on the way, in a third of the deals.
        CASE WHEN NOT has_staged_deal AND u(i, 'mended') < 0.35 THEN opened_s + (closed_s - opened_s) // 2 END AS mended_s
    FROM dealt
    WHERE opened_s < least(stopped_s, getvariable('end_s'))
), version AS (
    SELECT *, unnest([
        {kind: 'opened', s: opened_s},
        {kind: 'mended', s: mended_s},
        {kind: 'closed', s: closed_s},
        {kind: 'reopened', s: CASE WHEN deal_trap = 'won_then_reopened' THEN later_s(created_s, 0.9) END}
    ], recursive := true)
    FROM opened
), copied AS (
    SELECT
        *,
        load_s(s) AS loaded_s,
        unnest(
            CASE
                WHEN deal_trap = 'duplicate_rows' THEN [1, 1]
                WHEN deal_trap = 'deal_corrected' AND kind = 'closed' THEN [1, 2]
                ELSE [1]
            END
        ) AS copy
    FROM version
    WHERE s < getvariable('end_s')
)
SELECT
    'D' || lpad(i::VARCHAR, 8, '0') AS deal_id,
    lead_id,
    owner_id,
    CASE
        WHEN kind = 'opened' AND u(i, 'priced') < 0.15 THEN NULL
        WHEN kind = 'opened' OR copy = 2 THEN round(amount * 1.1, -1)::DECIMAL(18, 2)
        ELSE amount
    END AS amount,
    CASE WHEN kind = 'closed' THEN CASE WHEN is_won THEN 'won' ELSE 'lost' END ELSE 'open' END AS status,
    ts(opened_s) AS created_at,
    CASE WHEN kind = 'closed' AND coalesce(deal_trap <> 'won_without_closed_at', true) THEN ts(closed_s) END AS closed_at,
    ts(s) AS updated_at,
    ts(CASE copy WHEN 2 THEN load_s(loaded_s) ELSE loaded_s END) AS _loaded_at
FROM copied
WHERE copy = 1 OR load_s(loaded_s) > loaded_s
ORDER BY _loaded_at, deal_id, updated_at;
