-- A queue that the first version made and version 4 of the tables was given: tasks in every status.
-- Never to be changed: databases like this one are in use.

BEGIN TRANSACTION;
CREATE TABLE api_keys (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(100) NOT NULL,
    key_hash VARCHAR(64) NOT NULL,
    previous_hash VARCHAR(64),
    previous_until VARCHAR(23),
    hint VARCHAR(16) NOT NULL,
    scopes VARCHAR(64) NOT NULL,
    type_patterns_json TEXT,
    created_at VARCHAR(23) NOT NULL,
    expires_at VARCHAR(23),
    last_used_at VARCHAR(23),
    revoked_at VARCHAR(23)
);
CREATE TABLE audit_log (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at VARCHAR(23) NOT NULL,
    actor VARCHAR(150) NOT NULL,
    action VARCHAR(64) NOT NULL,
    target VARCHAR(255),
    detail_json TEXT
);
INSERT INTO "audit_log" VALUES(1,'2026-11-26 08:13:52.167','root key','schedule.put','nightly',NULL);
CREATE TABLE error_groups (
    type_id INTEGER NOT NULL,
    error_group BIGINT NOT NULL,
    error VARCHAR(500) NOT NULL,
    sample_id INTEGER NOT NULL,
    first_at VARCHAR(23) NOT NULL,
    last_at VARCHAR(23) NOT NULL,
    PRIMARY KEY (type_id, error_group)
) WITHOUT ROWID;
CREATE TABLE idempotency_keys (
    api_key_id INTEGER NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    body_hash VARCHAR(64) NOT NULL,
    created_json TEXT NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    PRIMARY KEY (api_key_id, idempotency_key)
) WITHOUT ROWID;
INSERT INTO "idempotency_keys" VALUES(0,'once','2f2510669976f5cded000ac2cf501c0952a50bba8ebba625a8d2215c38861e20','[[false,9,"pending",0,"201a2b22100943fab4f97cc4c72be0c2a87a072e2bf57d0e4d664433a4c0f256","2026-11-26 08:13:52.353"]]','2026-11-26 08:13:52.358');
CREATE TABLE schedule_runs (
    schedule_id INTEGER NOT NULL,
    due_at VARCHAR(23) NOT NULL,
    made_at VARCHAR(23) NOT NULL,
    task_id INTEGER,
    message VARCHAR(500),
    PRIMARY KEY (schedule_id, due_at)
) WITHOUT ROWID;
CREATE TABLE schedules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(255) NOT NULL,
    type_name VARCHAR(255) NOT NULL,
    params_json TEXT NOT NULL,
    cron VARCHAR(255),
    every_seconds DOUBLE,
    timezone VARCHAR(64) NOT NULL,
    missed VARCHAR(10) NOT NULL,
    skips_unfinished BOOLEAN NOT NULL,
    priority INTEGER,
    max_attempts INTEGER,
    tags TEXT,
    is_paused BOOLEAN NOT NULL,
    next_at VARCHAR(23),
    created_at VARCHAR(23) NOT NULL,
    updated_at VARCHAR(23) NOT NULL
);
INSERT INTO "schedules" VALUES(1,'nightly','mail.send','{"to":"ada@example.org"}','30 3 * * *',NULL,'Europe/Warsaw','once',0,NULL,NULL,'
grün
',0,'2026-11-27 02:30:00.000','2026-11-26 08:13:52.167','2026-11-26 08:13:52.167');
CREATE TABLE settings (
    name VARCHAR(64) NOT NULL,
    value VARCHAR(255) NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('schema_version','4');
CREATE TABLE task_activity (
    step_seconds INTEGER NOT NULL,
    started_at VARCHAR(23) NOT NULL,
    type_id INTEGER NOT NULL,
    event VARCHAR(10) NOT NULL,
    bucket INTEGER NOT NULL,
    total BIGINT NOT NULL,
    total_seconds DOUBLE NOT NULL,
    PRIMARY KEY (step_seconds, started_at, type_id, event, bucket)
) WITHOUT ROWID;
CREATE TABLE task_counts (
    type_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    error_group BIGINT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (type_id, status, error_group)
) WITHOUT ROWID;
CREATE TABLE task_errors (
    error_group BIGINT NOT NULL,
    task_id INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    PRIMARY KEY (error_group, task_id)
) WITHOUT ROWID;
CREATE TABLE task_history (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    worker_id VARCHAR(255),
    attempt INTEGER NOT NULL,
    message TEXT,
    seconds DOUBLE,
    created_at VARCHAR(23) NOT NULL
, waited DOUBLE, error_group BIGINT);
INSERT INTO "task_history" VALUES(1,1,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.618',NULL,NULL);
INSERT INTO "task_history" VALUES(2,1,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:46.628',NULL,NULL);
INSERT INTO "task_history" VALUES(3,1,'completed','night-worker',1,NULL,0.005,'2026-11-22 03:22:46.634',NULL,NULL);
INSERT INTO "task_history" VALUES(4,2,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.635',NULL,NULL);
INSERT INTO "task_history" VALUES(5,2,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:46.636',NULL,NULL);
INSERT INTO "task_history" VALUES(6,2,'failed','night-worker',1,'no such mailbox',0.005,'2026-11-22 03:22:46.637',NULL,NULL);
INSERT INTO "task_history" VALUES(7,3,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.638',NULL,NULL);
INSERT INTO "task_history" VALUES(8,3,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:46.639',NULL,NULL);
INSERT INTO "task_history" VALUES(9,3,'pending','night-worker',1,'mailbox is busy',0.005,'2026-11-22 03:22:46.640',NULL,NULL);
INSERT INTO "task_history" VALUES(10,4,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.641',NULL,NULL);
INSERT INTO "task_history" VALUES(11,4,'cancelled',NULL,0,NULL,NULL,'2026-11-22 03:22:46.643',NULL,NULL);
INSERT INTO "task_history" VALUES(12,5,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.644',NULL,NULL);
INSERT INTO "task_history" VALUES(13,6,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.645',NULL,NULL);
INSERT INTO "task_history" VALUES(14,6,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:46.647',NULL,NULL);
INSERT INTO "task_history" VALUES(15,7,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.652',NULL,NULL);
INSERT INTO "task_history" VALUES(16,8,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:46.653',NULL,NULL);
INSERT INTO "task_history" VALUES(17,9,'pending',NULL,0,NULL,NULL,'2026-11-26 08:13:52.354',NULL,NULL);
CREATE TABLE task_tags (
    tag VARCHAR(50) NOT NULL,
    task_id INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    PRIMARY KEY (tag, task_id)
) WITHOUT ROWID;
INSERT INTO "task_tags" VALUES('grün',1,1);
INSERT INTO "task_tags" VALUES('letter',1,1);
CREATE TABLE task_types (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(255) NOT NULL,
    version VARCHAR(50) NOT NULL,
    param_schema_json TEXT NOT NULL,
    description TEXT,
    max_attempts INTEGER,
    timeout DOUBLE,
    retry_delay DOUBLE,
    retry_max_delay DOUBLE,
    priority INTEGER,
    max_running INTEGER,
    dedupe_json VARCHAR(32),
    retention_days DOUBLE,
    is_active BOOLEAN NOT NULL,
    is_paused BOOLEAN NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    updated_at VARCHAR(23) NOT NULL
, claim_mark BIGINT, retention_json VARCHAR(255), archived_at VARCHAR(23));
INSERT INTO "task_types" VALUES(1,'mail.send','1','{"type":"object","properties":{"to":{"type":"string"}},"required":["to"]}','A letter''s way',2,NULL,3600.0,NULL,NULL,NULL,'"active"',NULL,1,0,'2026-11-22 03:22:46.603','2026-11-22 03:22:46.603',NULL,NULL,NULL);
INSERT INTO "task_types" VALUES(2,'größe.messen','2.1','{}',NULL,NULL,NULL,NULL,NULL,5,NULL,NULL,NULL,0,0,'2026-11-22 03:22:46.604','2026-11-22 03:22:46.604',NULL,NULL,NULL);
CREATE TABLE tasks (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    type_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    urgency INTEGER NOT NULL,
    due_at VARCHAR(23),
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout DOUBLE,
    lease DOUBLE,
    change_id BIGINT,
    claimed_by VARCHAR(255),
    claimed_at VARCHAR(23),
    cancel_requested BOOLEAN NOT NULL,
    progress DOUBLE,
    progress_message TEXT,
    dedupe_key VARCHAR(191),
    tags TEXT,
    created_at VARCHAR(23) NOT NULL,
    completed_at VARCHAR(23),
    params_json TEXT NOT NULL,
    result_json TEXT,
    error_message TEXT,
    error_traceback TEXT
, releases INTEGER DEFAULT '0' NOT NULL, last_outcome VARCHAR(10), claim_id BIGINT, former_dedupe_key VARCHAR(191), ready_at VARCHAR(23), claimed_key BIGINT, traceparent VARCHAR(55), parent_id BIGINT);
INSERT INTO "tasks" VALUES(1,1,'completed',0,NULL,1,2,NULL,300.0,3133163152439599026,'night-worker','2026-11-22 03:22:46.628',0,100.0,NULL,'bc25fff2155c7d419c2b64108d91dfb725bdfd7effb76b788708f5c6a1b8c1a0','
letter
grün
','2026-11-22 03:22:46.617','2026-11-22 03:22:46.634','{"to":"ada@example.org"}','{"sent":true,"note":"naïve; -- ''quoted'' \\ 日本 🐎"}',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(2,1,'failed',0,NULL,1,2,NULL,300.0,2779845546548109381,'night-worker','2026-11-22 03:22:46.636',0,NULL,NULL,'85ab0d8eb999658e8fb5cfe4aa72ff4c6a0d61d8ffc2b9f515173f9c5073c218',NULL,'2026-11-22 03:22:46.635','2026-11-22 03:22:46.637','{"to":"nobody"}',NULL,'no such mailbox','Traceback:
  line 1
',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(3,1,'scheduled',0,'2026-11-22 04:18:31.418',1,2,NULL,300.0,8507619599352112046,'night-worker','2026-11-22 03:22:46.639',0,NULL,NULL,'ff7c379f7b6d6494b768a7e2366a631ded1185f113cbc66510248c2ea5389b73',NULL,'2026-11-22 03:22:46.638',NULL,'{"to":"busy@example.org"}',NULL,'mailbox is busy',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(4,1,'cancelled',0,NULL,0,2,NULL,NULL,1999647676845536702,NULL,NULL,0,NULL,NULL,'6e9b29b139e9b4fe023361f6e0a905910aaf86de9c9456781fbc1147d1a69211',NULL,'2026-11-22 03:22:46.641','2026-11-22 03:22:46.643','{"to":"late@example.org"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(5,1,'scheduled',0,'2096-01-01 00:00:00.000',0,2,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'1838b8ebfa8403a8e9f1a5f82b71eb3ff572cffd0c0a8bf98466db351f51e52d',NULL,'2026-11-22 03:22:46.644',NULL,'{"to":"soon@example.org"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(6,1,'claimed',-3,'2026-11-29 03:22:46.651',1,2,NULL,604800.0,4998637596325687278,'night-worker','2026-11-22 03:22:46.647',0,40.0,'half way','bfcc8606e43d0afd6c6b8b8bf58a064f519f36d848e1539220581d562a54571e',NULL,'2026-11-22 03:22:46.645',NULL,'{"to":"now@example.org"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(7,1,'pending',0,NULL,0,7,30.0,NULL,NULL,NULL,NULL,0,NULL,NULL,'next',NULL,'2026-11-22 03:22:46.652',NULL,'{"to":"next@example.org"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(8,1,'pending',-9,NULL,0,2,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'ca99d80f78f72edc77a793b65a69d16d58de9e73803514e43f086bfb0bfe5fdf',NULL,'2026-11-22 03:22:46.653',NULL,'{"to":"first@example.org"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(9,1,'pending',0,NULL,0,2,NULL,NULL,3667125684733886252,NULL,NULL,0,NULL,NULL,'201a2b22100943fab4f97cc4c72be0c2a87a072e2bf57d0e4d664433a4c0f256',NULL,'2026-11-26 08:13:52.353',NULL,'{"to":"once@example.org"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE used_dedupe_keys (
    dedupe_key VARCHAR(191) NOT NULL,
    type_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    pruned_at VARCHAR(23) NOT NULL,
    PRIMARY KEY (dedupe_key, type_id)
) WITHOUT ROWID;
CREATE TABLE worker_activity (
    step_seconds INTEGER NOT NULL,
    started_at VARCHAR(23) NOT NULL,
    worker_id VARCHAR(255) NOT NULL,
    event VARCHAR(10) NOT NULL,
    bucket INTEGER NOT NULL,
    total BIGINT NOT NULL,
    total_seconds DOUBLE NOT NULL,
    PRIMARY KEY (step_seconds, started_at, worker_id, event, bucket)
) WITHOUT ROWID;
CREATE TABLE workers (
    id VARCHAR(255) NOT NULL,
    host VARCHAR(255),
    version VARCHAR(50),
    task_types_json TEXT,
    concurrency INTEGER,
    metadata_json TEXT,
    registered_at VARCHAR(23),
    deregistered_at VARCHAR(23),
    first_seen_at VARCHAR(23) NOT NULL,
    last_seen_at VARCHAR(23) NOT NULL, claim_mark BIGINT, repeated_claim BIGINT,
    PRIMARY KEY (id)
);
INSERT INTO "workers" VALUES('night-worker','cellar','1.0','["mail.send"]',2,'{"rack":"3"}','2026-11-22 03:22:46.600',NULL,'2026-11-22 03:22:46.600','2026-11-22 03:22:46.647',NULL,NULL);
CREATE INDEX task_history_task ON task_history (task_id, id);
CREATE UNIQUE INDEX task_types_name ON task_types (name);
CREATE INDEX tasks_claim ON tasks (status, urgency, id);
CREATE INDEX tasks_claim_type ON tasks (status, type_id, urgency, id);
CREATE UNIQUE INDEX tasks_dedupe ON tasks (dedupe_key, type_id);
CREATE INDEX tasks_due ON tasks (due_at);
CREATE INDEX tasks_status ON tasks (status, type_id, id);
CREATE INDEX tasks_type ON tasks (type_id, id);
CREATE INDEX workers_seen ON workers (last_seen_at);
CREATE INDEX task_types_paused ON task_types (is_paused, name, max_running);
CREATE INDEX tasks_created ON tasks (status, id);
CREATE INDEX tasks_worker ON tasks (claimed_by, id, type_id);
CREATE INDEX task_tags_task ON task_tags (task_id);
CREATE INDEX used_dedupe_keys_pruned ON used_dedupe_keys (pruned_at);
CREATE INDEX task_errors_task ON task_errors (task_id);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);
CREATE INDEX api_keys_previous ON api_keys (previous_hash);
CREATE UNIQUE INDEX schedules_name ON schedules (name);
CREATE INDEX schedules_next ON schedules (next_at);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('task_types',2);
INSERT INTO "sqlite_sequence" VALUES('tasks',9);
INSERT INTO "sqlite_sequence" VALUES('task_history',17);
INSERT INTO "sqlite_sequence" VALUES('schedules',1);
INSERT INTO "sqlite_sequence" VALUES('audit_log',1);
COMMIT;
