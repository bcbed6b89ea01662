-- TaskManager's tables for SQLite. Made from app/db/tables.py: change that, not this.

CREATE TABLE IF NOT EXISTS api_keys (
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
CREATE UNIQUE INDEX IF NOT EXISTS api_keys_hash ON api_keys (key_hash);
CREATE INDEX IF NOT EXISTS api_keys_previous ON api_keys (previous_hash);

CREATE TABLE IF NOT EXISTS audit_log (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at VARCHAR(23) NOT NULL,
    actor VARCHAR(150) NOT NULL,
    action VARCHAR(64) NOT NULL,
    target VARCHAR(255),
    detail_json TEXT
);
CREATE INDEX IF NOT EXISTS audit_log_target ON audit_log (target, id);

CREATE TABLE IF NOT EXISTS error_groups (
    type_id INTEGER NOT NULL,
    error_group BIGINT NOT NULL,
    error VARCHAR(500) NOT NULL,
    sample_id INTEGER NOT NULL,
    first_at VARCHAR(23) NOT NULL,
    last_at VARCHAR(23) NOT NULL,
    PRIMARY KEY (type_id, error_group)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS idempotency_keys (
    api_key_id INTEGER NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    body_hash VARCHAR(64) NOT NULL,
    created_json TEXT NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    PRIMARY KEY (api_key_id, idempotency_key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE IF NOT EXISTS lanes (
    type_id INTEGER NOT NULL,
    concurrency_key VARCHAR(191) NOT NULL,
    due_at VARCHAR(23),
    claim_mark BIGINT,
    PRIMARY KEY (type_id, concurrency_key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lanes_due ON lanes (due_at);

CREATE TABLE IF NOT EXISTS rate_claims (
    type_id INTEGER NOT NULL,
    claimed_at VARCHAR(23) NOT NULL,
    change_id BIGINT NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (type_id, claimed_at, change_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS schedule_runs (
    schedule_id INTEGER NOT NULL,
    due_at VARCHAR(23) NOT NULL,
    made_at VARCHAR(23) NOT NULL,
    task_id INTEGER,
    message VARCHAR(500),
    PRIMARY KEY (schedule_id, due_at)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS schedules (
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
    timeout DOUBLE,
    tags TEXT,
    concurrency_key VARCHAR(191),
    is_paused BOOLEAN NOT NULL,
    next_at VARCHAR(23),
    created_at VARCHAR(23) NOT NULL,
    updated_at VARCHAR(23) NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS schedules_name ON schedules (name);
CREATE INDEX IF NOT EXISTS schedules_next ON schedules (next_at);

CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    token_hash VARCHAR(64) NOT NULL,
    role VARCHAR(16) NOT NULL,
    key_id INTEGER,
    name VARCHAR(150) NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    last_used_at VARCHAR(23) NOT NULL,
    expires_at VARCHAR(23) NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_expiry ON sessions (expires_at);
CREATE UNIQUE INDEX IF NOT EXISTS sessions_token ON sessions (token_hash);

CREATE TABLE IF NOT EXISTS settings (
    name VARCHAR(64) NOT NULL,
    value VARCHAR(255) NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS task_activity (
    step_seconds INTEGER NOT NULL,
    started_at VARCHAR(23) NOT NULL,
    type_id INTEGER NOT NULL,
    event VARCHAR(10) NOT NULL,
    bucket INTEGER NOT NULL,
    total BIGINT NOT NULL,
    total_seconds DOUBLE NOT NULL,
    PRIMARY KEY (step_seconds, started_at, type_id, event, bucket)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS task_counts (
    type_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    error_group BIGINT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (type_id, status, error_group)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS task_errors (
    error_group BIGINT NOT NULL,
    task_id INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    PRIMARY KEY (error_group, task_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_errors_task ON task_errors (task_id);

CREATE TABLE IF NOT EXISTS task_history (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    worker_id VARCHAR(255),
    attempt INTEGER NOT NULL,
    message TEXT,
    seconds DOUBLE,
    waited DOUBLE,
    error_group BIGINT,
    traceback TEXT,
    created_at VARCHAR(23) NOT NULL
);
CREATE INDEX IF NOT EXISTS task_history_task ON task_history (task_id, id);

CREATE TABLE IF NOT EXISTS task_tags (
    tag VARCHAR(50) NOT NULL,
    task_id INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    PRIMARY KEY (tag, task_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_tags_task ON task_tags (task_id);

CREATE TABLE IF NOT EXISTS task_types (
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
    rate_tasks INTEGER,
    rate_seconds DOUBLE,
    max_per_key INTEGER,
    limits_mark BIGINT,
    is_paused_after BOOLEAN,
    claim_mark BIGINT,
    dedupe_json VARCHAR(32),
    retention_days DOUBLE,
    retention_json VARCHAR(255),
    archived_at VARCHAR(23),
    is_active BOOLEAN NOT NULL,
    is_paused BOOLEAN NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    updated_at VARCHAR(23) NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS task_types_name ON task_types (name);
CREATE INDEX IF NOT EXISTS task_types_open ON task_types (is_paused, name, max_running, rate_tasks);
CREATE INDEX IF NOT EXISTS task_types_paused ON task_types (is_paused, name, max_running);

CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    type_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    urgency INTEGER NOT NULL,
    due_at VARCHAR(23),
    ready_at VARCHAR(23),
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout DOUBLE,
    lease DOUBLE,
    releases INTEGER DEFAULT '0' NOT NULL,
    last_outcome VARCHAR(10),
    change_id BIGINT,
    claim_id BIGINT,
    claimed_by VARCHAR(255),
    claimed_at VARCHAR(23),
    claimed_key BIGINT,
    cancel_requested BOOLEAN NOT NULL,
    progress DOUBLE,
    progress_message TEXT,
    dedupe_key VARCHAR(191),
    former_dedupe_key VARCHAR(191),
    tags TEXT,
    concurrency_key VARCHAR(191),
    key_slot INTEGER,
    traceparent VARCHAR(55),
    parent_id BIGINT,
    created_at VARCHAR(23) NOT NULL,
    completed_at VARCHAR(23),
    params_json TEXT NOT NULL,
    result_json TEXT,
    error_message TEXT,
    error_traceback TEXT
);
CREATE INDEX IF NOT EXISTS tasks_claim ON tasks (status, urgency, id);
CREATE INDEX IF NOT EXISTS tasks_claim_type ON tasks (status, type_id, urgency, id);
CREATE INDEX IF NOT EXISTS tasks_created ON tasks (status, id);
CREATE UNIQUE INDEX IF NOT EXISTS tasks_dedupe ON tasks (dedupe_key, type_id);
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (due_at);
CREATE INDEX IF NOT EXISTS tasks_key ON tasks (concurrency_key, type_id, key_slot, urgency, id);
CREATE INDEX IF NOT EXISTS tasks_parent ON tasks (parent_id, id);
CREATE INDEX IF NOT EXISTS tasks_status ON tasks (status, type_id, id);
CREATE INDEX IF NOT EXISTS tasks_type ON tasks (type_id, id);
CREATE INDEX IF NOT EXISTS tasks_worker ON tasks (claimed_by, id, type_id);

CREATE TABLE IF NOT EXISTS used_dedupe_keys (
    dedupe_key VARCHAR(191) NOT NULL,
    type_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    status VARCHAR(10) NOT NULL,
    created_at VARCHAR(23) NOT NULL,
    pruned_at VARCHAR(23) NOT NULL,
    PRIMARY KEY (dedupe_key, type_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_dedupe_keys_pruned ON used_dedupe_keys (pruned_at);

CREATE TABLE IF NOT EXISTS worker_activity (
    step_seconds INTEGER NOT NULL,
    started_at VARCHAR(23) NOT NULL,
    worker_id VARCHAR(255) NOT NULL,
    event VARCHAR(10) NOT NULL,
    bucket INTEGER NOT NULL,
    total BIGINT NOT NULL,
    total_seconds DOUBLE NOT NULL,
    PRIMARY KEY (step_seconds, started_at, worker_id, event, bucket)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS workers (
    id VARCHAR(255) NOT NULL,
    host VARCHAR(255),
    version VARCHAR(50),
    task_types_json TEXT,
    concurrency INTEGER,
    metadata_json TEXT,
    registered_at VARCHAR(23),
    deregistered_at VARCHAR(23),
    first_seen_at VARCHAR(23) NOT NULL,
    last_seen_at VARCHAR(23) NOT NULL,
    claim_mark BIGINT,
    repeated_claim BIGINT,
    PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS workers_seen ON workers (last_seen_at);

INSERT OR IGNORE INTO settings (name, value) VALUES ('schema_version', '5');
