-- The leads numbered first_lead to last_lead (variables), their owners and their versions.
-- Reads the tables of sample_company.sql, and `trap_slot` (slot, trap, role).

-- Grain: lead, with everything that its rows in the raw tables are made from. Owners and versions follow from lists.
CREATE OR REPLACE TABLE lead AS
WITH numbered AS (
    SELECT
        n.i,
        trap_slot.trap,
        coalesce(trap_slot.role, 0) AS role,
        -- The traps of the first thousand leads are staged: there the lead has whatever its trap is about.
        trap_slot.trap IS NOT NULL AND n.i <= 1000 AS is_staged,
        -- The leads of one trap (a merged lead and its survivor) share region, persona and hour of arrival.
        n.i - coalesce(trap_slot.role, 0) AS unit
    FROM range(getvariable('first_lead'), getvariable('last_lead') + 1) AS n (i)
    LEFT JOIN trap_slot ON n.i % 1000 = trap_slot.slot
), placed AS (
    SELECT
        *,
        CASE WHEN u(unit, 'region') < 0.45 THEN 0 WHEN u(unit, 'region') < 0.80 THEN 1 ELSE 2 END AS region,
        CASE
            WHEN u(unit, 'persona') < 0.62 THEN 'small_business'
            WHEN u(unit, 'persona') < 0.87 THEN 'mid_market'
            ELSE 'enterprise'
        END AS persona
    FROM numbered
), arrived AS (
    SELECT
        placed.*,
        path_choice.win_rate,
        CASE
            WHEN placed.trap IN ('touch_at_deadline', 'touch_just_late', 'future_lead') THEN 'single'
            WHEN placed.trap = 'activity_before_created' THEN 'before'
            WHEN placed.trap = 'activities_at_one_instant' THEN 'twins'
            WHEN placed.trap = 'trigger_at_deadline' THEN 'demo_at_deadline'
            WHEN placed.trap = 'trigger_while_running' THEN 'demo_while_running'
            WHEN placed.is_staged THEN 'tour'
            ELSE path_choice.path
        END AS path,
        arrival.hour_s + floor(u(placed.i, 'second') * 3600)::BIGINT AS arrival_s,
        arrival.offset_s
    FROM placed
    INNER JOIN path_choice
        ON placed.persona = path_choice.persona AND floor(u(placed.i, 'path') * 100)::BIGINT = path_choice.slot
    -- What is staged keeps away from the end, so that it has time to happen.
    INNER JOIN arrival
        ON placed.region = arrival.region
        AND floor(
            u(placed.unit, 'arrival') * CASE WHEN placed.is_staged THEN 0.85 ELSE 1 END
            * getvariable('arrival_slots')
        )::BIGINT = arrival.slot
), described AS (
    SELECT
        *,
        CASE trap
            WHEN 'future_lead' THEN getvariable('end_s') + 3600 + (u(i, 'ahead') * 172800)::BIGINT
            ELSE arrival_s
        END AS created_s,
        CASE
            WHEN trap = 'persona_boundary' THEN [999, 1000, 10000, 10001][1 + role]
            WHEN persona = 'small_business' THEN pow(999, u(i, 'size'))::BIGINT
            WHEN persona = 'mid_market' THEN (1000 * pow(10, u(i, 'size')))::BIGINT
            ELSE 10001 + (10000 * (pow(20, u(i, 'size')) - 1))::BIGINT
        END AS exact_size,
        CASE
            WHEN trap = 'enriched_later' THEN later_s(arrival_s, 0.3)
            WHEN trap IS NOT NULL OR u(i, 'known') < 0.88 THEN arrival_s
            WHEN u(i, 'known') < 0.94 THEN arrival_s + (u(i, 'enriched') * 15 * 86400)::BIGINT
        END AS known_s,
        CASE WHEN trap = 'persona_changed' THEN later_s(arrival_s, 0.4) END AS resized_s,
        CASE
            WHEN trap IS NOT NULL THEN 0
            WHEN u(i, 'routed') < 0.78 THEN 0
            WHEN u(i, 'routed') < 0.94 THEN 60 + (u(i, 'routing') * 2400)::BIGINT
            ELSE 14400 + (u(i, 'routing') * 200000)::BIGINT
        END AS routing_seconds,
        (arrival_s >= getvariable('joined_s'))::INTEGER + (arrival_s >= getvariable('left_s'))::INTEGER AS phase,
        0.5 + 1.1 * u(i, 'pace') AS pace
    FROM arrived
), sized AS (
    SELECT
        *,
        -- People round: it also puts leads on the very bounds of the personas.
        CASE
            WHEN u(i, 'rounded') < 0.4 AND exact_size >= 1000 AND trap IS NULL
                THEN greatest(round(exact_size, -3)::BIGINT, CASE persona WHEN 'enterprise' THEN 11000 ELSE 1000 END)
            ELSE exact_size
        END AS employee_count,
        CASE trap
            WHEN 'assigned_days_later' THEN later_s(created_s, 0.25)
            WHEN 'owner_change_before_created' THEN created_s - 7200
            ELSE created_s + routing_seconds
        END AS assigned_s
    FROM described
), owned AS (
    SELECT
        sized.*,
        CASE
            WHEN trap = 'never_owned' THEN NULL
            WHEN trap = 'unknown_rep' THEN 'R99'
            ELSE pick(routing.rep_ids, u(unit, 'rep'))
        END AS first_owner_id,
        pick(routing.rep_ids, u(i, 'next rep')) AS drawn_owner_id,
        coalesce(trap = 'no_owner_changes' OR (trap IS NULL AND u(i, 'no changes') < 0.04), false) AS has_no_changes,
        CASE
            WHEN trap IS NULL AND u(i, 'reassigned') < 0.07
                THEN assigned_s + 86400 + (u(i, 'reassigning') * 2000000)::BIGINT
        END AS drawn_reassigned_s
    FROM sized
    INNER JOIN routing
        ON sized.region = routing.region
        AND sized.phase = routing.phase
        AND CASE WHEN sized.known_s = sized.arrival_s THEN sized.persona ELSE 'unknown' END = routing.persona
), reowned AS (
    SELECT
        * EXCLUDE (drawn_owner_id, drawn_reassigned_s, is_handed_over),
        CASE WHEN is_handed_over THEN 'R04' ELSE drawn_owner_id END AS next_owner_id,
        CASE
            WHEN is_handed_over THEN greatest(getvariable('left_s') - 3600, assigned_s + 60)
            WHEN has_no_changes OR drawn_owner_id = first_owner_id THEN NULL
            ELSE drawn_reassigned_s
        END AS reassigned_s
    FROM (
        SELECT
            *,
            -- What R05 owns in the last hour goes to R04.
            coalesce(
                first_owner_id = 'R05' AND NOT has_no_changes
                AND (
                    drawn_reassigned_s IS NULL OR drawn_owner_id = 'R05'
                    OR drawn_reassigned_s > getvariable('left_s') - 3600
                ),
                false
            ) AS is_handed_over
        FROM owned
    )
), worked AS (
    SELECT
        reowned.*,
        coalesce(rep.median_minutes, 60)
            * CASE WHEN arrival_s > getvariable('later_s') THEN coalesce(rep.later_factor, 1) ELSE 1 END
            AS median_minutes,
        coalesce(rep.care, 0.7) AS care,
        coalesce(rep.persists, 0.8) AS persists,
        coalesce(rep.catches_up, 0.5) AS catches_up,
        coalesce(rep.evenings, 0) AS evenings,
        CASE
            WHEN trap IN ('never_owned', 'deleted_lead', 'won_before_deadline') THEN false
            WHEN trap IS NOT NULL THEN true
            ELSE u(i, 'skipped') >= coalesce(rep.skips, 0.1)
        END AS is_worked
    FROM reowned
    LEFT JOIN rep ON reowned.first_owner_id = rep.rep_id
), touched AS (
    SELECT
        *,
        answer_ls(
            greatest(arrival_s, assigned_s) + offset_s,
            CASE
                WHEN trap IS NOT NULL THEN 900 + (u(i, 'delay') * 3600)::BIGINT
                ELSE (
                    60 * median_minutes * spread(u(i, 'delay'), 0.7)
                    -- The backlog of the morning.
                    + CASE WHEN is_open(greatest(arrival_s, assigned_s) + offset_s) THEN 0 ELSE u(i, 'backlog') * 3600 END
                    -- A busy day: the lead waits for one to three more.
                    + CASE WHEN u(i, 'busy') < 0.08 THEN 30600 * (1 + 2 * u(i, 'busy days')) ELSE 0 END
                )::BIGINT
            END,
            u(i, 'evening') < 1.2 * evenings AND u(i, 'busy') >= 0.08 AND trap IS NULL
        ) - offset_s AS first_touch_s
    FROM worked
), ended AS (
    SELECT
        *,
        CASE
            WHEN trap = 'disqualified' THEN first_touch_s + 1800
            WHEN trap = 'future_lead_version' THEN getvariable('end_s') + 86400
            WHEN trap IS NOT NULL THEN NULL
            WHEN u(i, 'junk') < 0.012 THEN created_s + 120 + (u(i, 'disqualifying') * 3000)::BIGINT
            WHEN is_worked AND u(i, 'disqualified') < 0.075
                THEN first_touch_s + 600 + (u(i, 'disqualifying') * 1300000)::BIGINT
            -- Most of the leads that nobody answered are given up in the end.
            WHEN NOT is_worked AND u(i, 'disqualified') < 0.6
                THEN arrival_s + 1000000 + (u(i, 'disqualifying') * 2500000)::BIGINT
        END AS disqualified_s,
        CASE
            WHEN trap = 'opted_out' THEN first_touch_s + 1200
            WHEN trap IS NULL AND u(i, 'opted out') < 0.015 THEN arrival_s + (u(i, 'opting out') * 1500000)::BIGINT
        END AS opted_out_s,
        CASE
            WHEN trap IN ('merged', 'merge_chain', 'merged_into_test_lead') AND role = 0 THEN later_s(arrival_s, 0.45)
            -- Half of the chains close from the far end: the survivor is merged before the lead that was merged into it.
            WHEN trap = 'merge_chain' AND role = 1 THEN later_s(arrival_s, [0.6, 0.3][1 + i // 1000 % 2])
            WHEN trap = 'merge_cycle' THEN later_s(arrival_s, 0.3 + 0.1 * role)
            WHEN trap IN ('merge_into_itself', 'merge_missing_survivor') THEN later_s(arrival_s, 0.4)
        END AS merged_s,
        CASE
            WHEN trap IN ('merged', 'merge_chain', 'merged_into_test_lead', 'merge_without_date') AND role = 0 THEN i + 1
            WHEN trap = 'merge_chain' AND role = 1 THEN i + 1
            -- Two leads merged into each other, and a third merged into one of them.
            WHEN trap = 'merge_cycle' THEN CASE role WHEN 1 THEN i - 1 WHEN 0 THEN i + 1 ELSE i - 2 END
            WHEN trap = 'merge_into_itself' THEN i
            WHEN trap = 'merge_missing_survivor' THEN 90000000 + i
        END AS survivor_i,
        CASE WHEN trap IN ('deleted_lead', 'undeleted_lead', 'lead_deleted_twice') THEN later_s(arrival_s, 0.35) END
            AS deleted_s,
        CASE WHEN trap = 'undeleted_lead' THEN later_s(arrival_s, 0.6) END AS undeleted_s,
        CASE WHEN trap = 'lead_deleted_twice' THEN later_s(arrival_s, 0.55) END AS deleted_again_s
    FROM touched
)
SELECT
    * EXCLUDE (exact_size, routing_seconds, phase),
    'L' || lpad(i::VARCHAR, 8, '0') AS lead_id,
    -- Grain of the list: change of owner. Leads without changes have their owner from the start, in no change.
    CASE
        WHEN trap = 'never_owned' OR has_no_changes THEN []::STRUCT(s BIGINT, owner_id VARCHAR)[]
        WHEN trap = 'owner_taken_away'
            THEN [
                {s: assigned_s, owner_id: first_owner_id},
                {s: later_s(arrival_s, 0.3), owner_id: NULL},
                {s: later_s(arrival_s, 0.7), owner_id: next_owner_id}
            ]
        WHEN trap = 'owner_repeated'
            THEN [
                {s: assigned_s, owner_id: first_owner_id},
                {s: later_s(arrival_s, 0.3), owner_id: first_owner_id}
            ]
        WHEN reassigned_s IS NOT NULL
            THEN [{s: assigned_s, owner_id: first_owner_id}, {s: reassigned_s, owner_id: next_owner_id}]
        ELSE [{s: assigned_s, owner_id: first_owner_id}]
    END AS owner_list
FROM ended;

CREATE OR REPLACE TABLE owner_changes AS
WITH change AS (
    SELECT
        lead_id,
        change.s,
        change.owner_id,
        load_s(greatest(change.s, created_s)) AS loaded_s,
        -- 1: the change; again 1: an exact duplicate; 2: the same change, corrected in a later load.
        unnest(
            CASE trap WHEN 'duplicate_rows' THEN [1, 1] WHEN 'owner_change_corrected' THEN [1, 2] ELSE [1] END
        ) AS copy
    FROM (SELECT lead_id, trap, created_s, unnest(owner_list) AS change FROM lead)
    WHERE change.s < getvariable('end_s')
)
SELECT
    lead_id,
    CASE WHEN copy = 1 THEN owner_id WHEN owner_id = 'R01' THEN 'R04' ELSE 'R01' END AS owner_id,
    ts(s) AS changed_at,
    ts(CASE copy WHEN 1 THEN loaded_s ELSE load_s(loaded_s) END) AS _loaded_at
FROM change
WHERE copy = 1 OR load_s(loaded_s) > loaded_s
ORDER BY _loaded_at, lead_id, changed_at;

CREATE OR REPLACE TABLE leads AS
WITH version AS (
    SELECT
        lead.*,
        unnest(list_sort(list_distinct(list_filter(
            [
                created_s, known_s, resized_s, disqualified_s, opted_out_s, merged_s,
                deleted_s, undeleted_s, deleted_again_s,
                CASE WHEN trap = 'merge_without_date' AND role = 0 THEN later_s(arrival_s, 0.4) END
            ] || list_transform(owner_list, lambda change: greatest(change.s, created_s)),
            lambda s: s IS NOT NULL AND (
                s < getvariable('end_s')
                OR (s = created_s AND trap = 'future_lead')
                OR (s = disqualified_s AND trap = 'future_lead_version')
            )
        )))) AS s
    FROM lead
), loaded AS (
    SELECT
        *,
        load_s(s + CASE WHEN trap = 'late_lead' THEN 172800 ELSE 0 END) AS loaded_s
    FROM version
), copied AS (
    -- 1: the version; again 1: an exact duplicate; 2: the same updated_at, corrected in a later load.
    SELECT
        *,
        unnest(CASE trap WHEN 'duplicate_rows' THEN [1, 1] WHEN 'lead_corrected' THEN [1, 2] ELSE [1] END) AS copy
    FROM loaded
)
SELECT
    lead_id,
    ts(created_s) AS created_at,
    ts(s) AS updated_at,
    CASE WHEN trap = 'test_lead' OR (trap = 'merged_into_test_lead' AND role = 1) THEN 'test+' || i ELSE 'user' || i END
        || '@example.com' AS email,
    CASE
        WHEN u(i, 'company known') < 0.9
            THEN pick(
                ['Northwind', 'Blue River', 'Acorn', 'Summit', 'Harbor', 'Vertex', 'Orchid', 'Granite', 'Lumen', 'Cedar'],
                u(i, 'company')
            )
            || ' '
            || pick(
                ['Logistics', 'Foods', 'Systems', 'Health', 'Energy', 'Media', 'Finance', 'Retail'], u(i, 'trade')
            )
            || ' ' || 100 + (u(i, 'company number') * 900)::BIGINT
    END AS company_name,
    CASE
        WHEN trap = 'persona_changed' AND s < resized_s THEN CASE persona WHEN 'enterprise' THEN 250 ELSE 25000 END
        WHEN trap = 'lead_corrected' AND copy = 1 THEN employee_count + 1
        WHEN s >= known_s OR trap = 'future_lead' THEN employee_count
    END AS employee_count,
    pick(countries, u(i, 'country')) AS country_code,
    CASE
        WHEN u(i, 'source') < 0.28 THEN 'organic_search'
        WHEN u(i, 'source') < 0.50 THEN 'paid_search'
        WHEN u(i, 'source') < 0.62 THEN 'referral'
        WHEN u(i, 'source') < 0.74 THEN 'social'
        WHEN u(i, 'source') < 0.82 THEN 'events'
        WHEN u(i, 'source') < 0.94 THEN 'email_campaign'
        WHEN u(i, 'source') < 0.96 THEN 'unknown'
    END AS lead_source,
    CASE
        WHEN has_no_changes THEN first_owner_id
        ELSE list_last(list_filter(owner_list, lambda change: change.s <= s)).owner_id
    END AS owner_id,
    CASE WHEN s >= disqualified_s THEN ts(disqualified_s) END AS disqualified_at,
    CASE
        WHEN s >= disqualified_s AND NOT is_worked THEN 'no response'
        WHEN s >= disqualified_s
            THEN pick(['no budget', 'student', 'competitor', 'wrong contact', 'spam'], u(i, 'reason'))
    END AS disqualified_reason,
    CASE WHEN s >= opted_out_s THEN ts(opted_out_s) END AS opted_out_at,
    CASE WHEN s >= merged_s OR (trap = 'merge_without_date' AND s >= later_s(arrival_s, 0.4))
        THEN 'L' || lpad(survivor_i::VARCHAR, 8, '0')
    END AS merged_into_lead_id,
    CASE WHEN s >= merged_s THEN ts(merged_s) END AS merged_at,
    CASE
        WHEN trap = 'test_lead' OR (trap = 'merged_into_test_lead' AND role = 1) THEN true
        WHEN u(i, 'is test known') < 0.9 THEN false
    END AS is_test,
    CASE
        WHEN s >= deleted_s THEN NOT coalesce(s >= undeleted_s, false)
        WHEN u(i, 'is deleted known') < 0.9 THEN false
    END AS is_deleted,
    ts(CASE WHEN copy = 2 THEN load_s(loaded_s) ELSE loaded_s END) AS _loaded_at
FROM copied
INNER JOIN region ON copied.region = region.region
WHERE copy = 1 OR load_s(loaded_s) > loaded_s
ORDER BY _loaded_at, lead_id, updated_at;
