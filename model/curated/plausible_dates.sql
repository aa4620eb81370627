-- Views usable_<table> from views staged_<table>: whose dates are plausible and whose patient is in the source.
-- Staged moments are shifted by each patient's shift_days, whole days back in time; a true moment is never published.
-- Variables of the session have what model/curated/completion.py passes in.

CREATE TEMP MACRO true_moment(moment, shift_days) AS moment - to_days(shift_days);
CREATE TEMP MACRO outside_life(moment, born_at) AS coalesce(
    moment < born_at - to_days(getvariable('before_birth_days'))
    OR moment > born_at + to_years(getvariable('oldest_age')), false);
CREATE TEMP MACRO after_extract(moment, shift_days) AS coalesce(
    true_moment(moment, shift_days) > getvariable('latest'), false);
CREATE TEMP MACRO outside_calendar(moment) AS coalesce(
    year(moment) NOT BETWEEN getvariable('first_year') AND getvariable('last_year'), false);
CREATE TEMP MACRO implausible(moment, born_at, shift_days) AS
    outside_calendar(moment) OR outside_life(moment, born_at) OR after_extract(moment, shift_days);

CREATE TEMP TABLE lives AS
SELECT patient_id, max(born_at) AS born_at, max(deceased_at) AS deceased_at, max(death_since) AS death_since,
    coalesce(bool_or(death_vague), false) AS death_vague, max(shift_days) AS shift_days
FROM staged_patient GROUP BY patient_id;

-- A birth date that most of the patient's own encounters contradict is the one that is wrong.
CREATE TEMP TABLE remarks AS
SELECT 'Patient.birthDate-implausible' AS remark, patient_id FROM staged_encounter e JOIN lives l USING (patient_id)
WHERE e.started_at IS NOT NULL
GROUP BY patient_id HAVING 2 * count(*) FILTER (outside_life(e.started_at, l.born_at)) > count(*);
UPDATE lives SET born_at = NULL WHERE patient_id IN (SELECT patient_id FROM remarks);

-- The end of the extract, the first of these that is known: as set; the newest meta.lastUpdated, where nearly all resources carry one and
-- most encounters are not later (else all dates were shifted); the day after which all patients but a few fall silent, who have earlier days too.
CREATE TEMP TABLE newest_update AS
SELECT make_timestamptz(max(updated)) AS latest FROM resources ANTI JOIN dead USING (sequence)
HAVING count(updated) >= getvariable('updated_share') * count(*);
DELETE FROM newest_update WHERE latest IS NULL OR (
    SELECT 2 * count(*) FILTER (true_moment(started_at, shift_days) > (SELECT latest FROM newest_update)) > count(started_at)
    FROM staged_encounter);

CREATE TEMP TABLE encounter_days AS
SELECT DISTINCT patient_id, date_trunc('day', true_moment(moment, shift_days)) AS day
FROM (SELECT patient_id, shift_days, unnest([started_at, ended_at]) AS moment FROM staged_encounter)
WHERE moment IS NOT NULL;

CREATE TEMP TABLE silence AS
WITH gaps AS (
    SELECT day FROM (SELECT day, lead(day) OVER (ORDER BY day) AS next FROM (SELECT DISTINCT day FROM encounter_days))
    WHERE next - day > to_days(getvariable('silence_days'))
), patients AS (
    SELECT min(day) AS first_day, max(day) AS last_day FROM encounter_days GROUP BY patient_id
), ends AS (
    SELECT gaps.day FROM gaps JOIN patients ON patients.last_day > gaps.day
    GROUP BY gaps.day
    HAVING bool_and(patients.first_day <= gaps.day)
        AND count(*) <= getvariable('silence_share') * (SELECT count(*) FROM patients)
)
SELECT coalesce((SELECT min(day) FROM ends), (SELECT max(day) FROM encounter_days))
    + to_days(getvariable('silence_days')) AS latest
WHERE (SELECT count(*) FROM patients) >= getvariable('silence_patients');

SET VARIABLE latest = (SELECT coalesce(
    getvariable('observed_until'), (SELECT latest FROM newest_update), (SELECT latest FROM silence)
) + to_days(getvariable('after_extract_days')));

-- A date of death that cannot be is forgotten; that the patient died stays known.
INSERT INTO remarks SELECT 'Patient.deceasedDateTime-implausible', patient_id FROM lives
WHERE implausible(death_since, born_at, shift_days);
UPDATE lives SET deceased_at = NULL, death_since = NULL, death_vague = false
WHERE implausible(death_since, born_at, shift_days);

CREATE TEMP TABLE excluded AS
WITH records AS (
    SELECT 'Encounter' AS kind, patient_id, sequence, shift_days, [started_at, ended_at] AS moments FROM staged_encounter
    UNION ALL SELECT 'Condition', patient_id, sequence, shift_days, [coalesce(recorded_at, onset_at)] FROM staged_condition
    UNION ALL SELECT 'Observation', patient_id, sequence, shift_days, [taken_at, known_at] FROM staged_observation
    UNION ALL SELECT 'MedicationRequest', patient_id, sequence, shift_days, [authored_at] FROM staged_medication_request
    UNION ALL SELECT 'Coverage', patient_id, sequence, shift_days, [NULL::TIMESTAMPTZ] FROM staged_coverage
)
SELECT kind, CASE WHEN l.patient_id IS NULL THEN 'no-patient-record' ELSE 'implausible-date' END AS reason, sequence
FROM records r LEFT JOIN lives l ON r.patient_id = l.patient_id
WHERE l.patient_id IS NULL OR implausible(moments[1], l.born_at, r.shift_days) OR implausible(moments[2], l.born_at, r.shift_days)
GROUP BY ALL;

CREATE TEMP VIEW usable_condition AS
SELECT c.* REPLACE (CASE WHEN implausible(c.onset_at, l.born_at, c.shift_days) THEN NULL ELSE c.onset_at END AS onset_at)
FROM staged_condition c JOIN lives l USING (patient_id) ANTI JOIN excluded ON excluded.sequence = c.sequence;
CREATE TEMP VIEW usable_observation AS SELECT * FROM staged_observation ANTI JOIN excluded USING (sequence);
CREATE TEMP VIEW usable_medication_request AS SELECT * FROM staged_medication_request ANTI JOIN excluded USING (sequence);

-- The end of an encounter that goes on is the expected one where nothing else of the patient is as late: it has not ended.
CREATE TEMP TABLE newest_records AS
SELECT patient_id, max(moment) AS newest FROM (
    SELECT patient_id, unnest([started_at, CASE WHEN list_contains(getvariable('ongoing'), status) THEN NULL ELSE ended_at END])
        AS moment FROM staged_encounter ANTI JOIN excluded USING (sequence)
    UNION ALL SELECT patient_id, recorded_at FROM usable_condition
    UNION ALL SELECT patient_id, unnest([taken_at, known_at]) FROM usable_observation
    UNION ALL SELECT patient_id, authored_at FROM usable_medication_request
) GROUP BY patient_id;
CREATE TEMP MACRO expected(status, ended_at, newest) AS
    list_contains(getvariable('ongoing'), status) AND coalesce(ended_at > newest, false);
CREATE TEMP VIEW usable_encounter AS
SELECT e.* REPLACE (CASE WHEN expected(e.status, e.ended_at, n.newest) THEN NULL ELSE e.ended_at END AS ended_at)
FROM staged_encounter e LEFT JOIN newest_records n USING (patient_id) ANTI JOIN excluded ON excluded.sequence = e.sequence;
INSERT INTO remarks SELECT 'Encounter.period.end-expected', e.patient_id
FROM staged_encounter e JOIN newest_records n USING (patient_id) ANTI JOIN excluded ON excluded.sequence = e.sequence
WHERE expected(e.status, e.ended_at, n.newest);
