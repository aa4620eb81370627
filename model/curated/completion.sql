-- Views complete_<table> from views usable_<table>: ages, deaths, when conditions were known, and how far the extract follows.
-- The variable `until` has the true moment until which encounters are known (model/curated/completion.py).

-- A date that lies over 89 years before the patient's last one would tell an age over 89 (45 CFR 164.514(b)(2)(i)(C)).
CREATE TEMP MACRO recent(moment, last_year) AS CASE WHEN last_year - year(moment) > 89 THEN NULL ELSE moment END;

CREATE TEMP TABLE last_years AS
SELECT patient_id, max(year(moment)) AS last_year FROM (
    SELECT patient_id, unnest([started_at, ended_at]) AS moment FROM usable_encounter
    UNION ALL SELECT patient_id, unnest([onset_at, recorded_at]) FROM usable_condition
    UNION ALL SELECT patient_id, unnest([taken_at, known_at]) FROM usable_observation
    UNION ALL SELECT patient_id, authored_at FROM usable_medication_request
    UNION ALL SELECT patient_id, deceased_at FROM lives
) GROUP BY patient_id;

-- An encounter with an inpatient part is the stay: MIMIC-IV's admissions, and hospitals that write wards as parts.
CREATE TEMP TABLE complete_encounter AS
WITH parents AS (
    SELECT DISTINCT part_of AS encounter_id, true AS has_stay FROM usable_encounter
    WHERE part_of IS NOT NULL AND list_contains(getvariable('inpatient'), class)
), e AS (
    SELECT u.* REPLACE (recent(started_at, last_year) AS started_at, recent(ended_at, last_year) AS ended_at,
            CASE WHEN promoted THEN 'IMP' ELSE class END AS class,
            CASE WHEN promoted AND class = 'EMER' THEN coalesce(priority, 'EM') ELSE priority END AS priority),
        lead(started_at) OVER (PARTITION BY patient_id ORDER BY started_at, encounter_id) AS next_start
    FROM (
        SELECT u.*, coalesce(has_stay, false) AND NOT list_contains(getvariable('inpatient'), class) AS promoted
        FROM usable_encounter u LEFT JOIN parents USING (encounter_id)) u
    JOIN last_years USING (patient_id)
)
SELECT e.*,
    CASE WHEN l.born_at IS NOT NULL AND e.started_at IS NOT NULL THEN CAST(greatest(0, least(90, datesub(
        'year', true_moment(l.born_at, e.shift_days), true_moment(e.started_at, e.shift_days)))) AS INTEGER) END AS age_at_start,
    coalesce(CASE WHEN l.death_vague THEN l.death_since <= e.ended_at AND e.next_start IS NULL
        ELSE l.death_since <= e.ended_at OR l.deceased_at <= e.ended_at + to_seconds(getvariable('death_seconds'))
    END, false) AS died,
    coalesce(true_moment(e.ended_at, e.shift_days) + to_days(getvariable('return_days'))
        <= getvariable('until'), false) AS followed
FROM e JOIN lives l USING (patient_id);

-- A condition is known when it was recorded, else from its onset, else from the end of its encounter.
CREATE TEMP VIEW complete_condition AS
SELECT c.* REPLACE (recent(c.onset_at, last_year) AS onset_at, recent(c.recorded_at, last_year) AS recorded_at),
    coalesce(recent(c.recorded_at, last_year), recent(c.onset_at, last_year), e.ended_at) AS known_at
FROM usable_condition c JOIN last_years USING (patient_id)
LEFT JOIN (SELECT encounter_id, max(ended_at) AS ended_at FROM complete_encounter GROUP BY encounter_id) e USING (encounter_id);

CREATE TEMP VIEW complete_observation AS
SELECT o.* REPLACE (recent(taken_at, last_year) AS taken_at, recent(known_at, last_year) AS known_at)
FROM usable_observation o JOIN last_years USING (patient_id);
CREATE TEMP VIEW complete_medication_request AS
SELECT m.* REPLACE (recent(authored_at, last_year) AS authored_at)
FROM usable_medication_request m JOIN last_years USING (patient_id);
CREATE TEMP VIEW complete_patient AS
SELECT p.* REPLACE (l.deceased_at AS deceased_at) FROM staged_patient p JOIN lives l USING (patient_id);

-- A record without the moment that gives it a place in a history is of no use.
INSERT INTO excluded
SELECT DISTINCT kind, 'no-date', sequence FROM (
    SELECT 'Encounter' AS kind, sequence, started_at AS moment FROM complete_encounter
    UNION ALL SELECT 'Condition', sequence, known_at FROM complete_condition
    UNION ALL SELECT 'Observation', sequence, taken_at FROM complete_observation
    UNION ALL SELECT 'MedicationRequest', sequence, authored_at FROM complete_medication_request
) WHERE moment IS NULL;
