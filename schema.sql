-- TaskManager's tables for MySQL 5.7+ and MariaDB 10.2+. Made from app/db/tables.py: change that, not this.

-- Stops at a table of another program that has one of these names, before anything is made. Then
-- set TABLE_PREFIX in config.py and let deploy.py or `flask init-db` make the tables.
SET @others = (
    SELECT COUNT(*) FROM information_schema.tables AS t
    WHERE t.table_schema = DATABASE() AND t.table_name IN ('api_keys', 'audit_log', 'error_groups', 'idempotency_keys', 'lanes', 'rate_claims', 'schedule_runs', 'schedules', 'settings', 'task_activity', 'task_counts', 'task_errors', 'task_history', 'task_tags', 'task_types', 'tasks', 'used_dedupe_keys', 'worker_activity', 'workers') AND NOT EXISTS (
        SELECT 1 FROM information_schema.columns AS c
        WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name
        AND CONCAT(c.table_name, '.', c.column_name, ' ', c.column_key) IN ('api_keys.type_patterns_json ', 'audit_log.detail_json ', 'error_groups.sample_id ', 'idempotency_keys.api_key_id PRI', 'lanes.concurrency_key PRI', 'rate_claims.change_id PRI', 'schedule_runs.due_at PRI', 'schedules.every_seconds ', 'settings.name PRI', 'task_activity.step_seconds PRI', 'task_counts.error_group PRI', 'task_errors.error_group PRI', 'task_history.task_id MUL', 'task_tags.tag PRI', 'task_types.param_schema_json ', 'tasks.urgency ', 'used_dedupe_keys.dedupe_key PRI', 'worker_activity.step_seconds PRI', 'workers.first_seen_at ')
    )
);
SET @check = IF(@others, 'SELECT 1 FROM `another program has tables of these names`', 'DO 0');
PREPARE check_names FROM @check;
EXECUTE check_names;
DEALLOCATE PREPARE check_names;

CREATE TABLE IF NOT EXISTS api_keys (
    id BIGINT NOT NULL AUTO_INCREMENT,
    name VARCHAR(100) NOT NULL,
    key_hash VARCHAR(64) NOT NULL,
    previous_hash VARCHAR(64),
    previous_until DATETIME(3),
    hint VARCHAR(16) NOT NULL,
    scopes VARCHAR(64) NOT NULL,
    type_patterns_json LONGTEXT,
    created_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3),
    last_used_at DATETIME(3),
    revoked_at DATETIME(3),
    PRIMARY KEY (id),
    UNIQUE KEY api_keys_hash (key_hash),
    KEY api_keys_previous (previous_hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS audit_log (
    id BIGINT NOT NULL AUTO_INCREMENT,
    created_at DATETIME(3) NOT NULL,
    actor VARCHAR(150) NOT NULL,
    action VARCHAR(64) NOT NULL,
    target VARCHAR(255),
    detail_json LONGTEXT,
    PRIMARY KEY (id),
    KEY audit_log_target (target, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS error_groups (
    type_id BIGINT NOT NULL,
    error_group BIGINT NOT NULL,
    error VARCHAR(500) NOT NULL,
    sample_id BIGINT NOT NULL,
    first_at DATETIME(3) NOT NULL,
    last_at DATETIME(3) NOT NULL,
    PRIMARY KEY (type_id, error_group)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS idempotency_keys (
    api_key_id BIGINT NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    body_hash VARCHAR(64) NOT NULL,
    created_json LONGTEXT NOT NULL,
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (api_key_id, idempotency_key),
    KEY idempotency_keys_created (created_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS lanes (
    type_id BIGINT NOT NULL,
    concurrency_key VARCHAR(191) NOT NULL,
    due_at DATETIME(3),
    claim_mark BIGINT,
    PRIMARY KEY (type_id, concurrency_key),
    KEY lanes_due (due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS rate_claims (
    type_id BIGINT NOT NULL,
    claimed_at DATETIME(3) NOT NULL,
    change_id BIGINT NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (type_id, claimed_at, change_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS schedule_runs (
    schedule_id BIGINT NOT NULL,
    due_at DATETIME(3) NOT NULL,
    made_at DATETIME(3) NOT NULL,
    task_id BIGINT,
    message VARCHAR(500),
    PRIMARY KEY (schedule_id, due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS schedules (
    id BIGINT NOT NULL AUTO_INCREMENT,
    name VARCHAR(255) NOT NULL,
    type_name VARCHAR(255) NOT NULL,
    params_json LONGTEXT NOT NULL,
    cron VARCHAR(255),
    every_seconds DOUBLE,
    timezone VARCHAR(64) NOT NULL,
    missed VARCHAR(10) NOT NULL,
    skips_unfinished BOOL NOT NULL,
    priority INTEGER,
    max_attempts INTEGER,
    timeout DOUBLE,
    tags LONGTEXT,
    concurrency_key VARCHAR(191),
    is_paused BOOL NOT NULL,
    next_at DATETIME(3),
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY schedules_name (name),
    KEY schedules_next (next_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sessions (
    id BIGINT NOT NULL AUTO_INCREMENT,
    token_hash VARCHAR(64) NOT NULL,
    `role` VARCHAR(16) NOT NULL,
    key_id BIGINT,
    name VARCHAR(150) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    last_used_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id),
    KEY sessions_expiry (expires_at),
    UNIQUE KEY sessions_token (token_hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS settings (
    name VARCHAR(64) NOT NULL,
    value VARCHAR(255) NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task_activity (
    step_seconds INTEGER NOT NULL,
    started_at DATETIME(3) NOT NULL,
    type_id BIGINT NOT NULL,
    event VARCHAR(10) NOT NULL,
    bucket INTEGER NOT NULL,
    total BIGINT NOT NULL,
    total_seconds DOUBLE NOT NULL,
    PRIMARY KEY (step_seconds, started_at, type_id, event, bucket)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task_counts (
    type_id BIGINT NOT NULL,
    status VARCHAR(10) NOT NULL,
    error_group BIGINT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (type_id, status, error_group)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task_errors (
    error_group BIGINT NOT NULL,
    task_id BIGINT NOT NULL,
    type_id BIGINT NOT NULL,
    PRIMARY KEY (error_group, task_id),
    KEY task_errors_task (task_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task_history (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id BIGINT NOT NULL,
    status VARCHAR(10) NOT NULL,
    worker_id VARCHAR(255),
    attempt INTEGER NOT NULL,
    message LONGTEXT,
    seconds DOUBLE,
    waited DOUBLE,
    error_group BIGINT,
    traceback LONGTEXT,
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id),
    KEY task_history_task (task_id, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task_tags (
    tag VARCHAR(50) NOT NULL,
    task_id BIGINT NOT NULL,
    type_id BIGINT NOT NULL,
    PRIMARY KEY (tag, task_id),
    KEY task_tags_task (task_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task_types (
    id BIGINT NOT NULL AUTO_INCREMENT,
    name VARCHAR(255) NOT NULL,
    version VARCHAR(50) NOT NULL,
    param_schema_json LONGTEXT NOT NULL,
    description LONGTEXT,
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
    is_paused_after BOOL,
    claim_mark BIGINT,
    dedupe_json VARCHAR(32),
    retention_days DOUBLE,
    retention_json VARCHAR(255),
    archived_at DATETIME(3),
    is_active BOOL NOT NULL,
    is_paused BOOL NOT NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY task_types_name (name),
    KEY task_types_open (is_paused, name, max_running, rate_tasks),
    KEY task_types_paused (is_paused, name, max_running)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tasks (
    id BIGINT NOT NULL AUTO_INCREMENT,
    type_id BIGINT NOT NULL,
    status VARCHAR(10) NOT NULL,
    urgency INTEGER NOT NULL,
    due_at DATETIME(3),
    ready_at DATETIME(3),
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout DOUBLE,
    lease DOUBLE,
    releases INTEGER NOT NULL DEFAULT '0',
    last_outcome VARCHAR(10),
    change_id BIGINT,
    claim_id BIGINT,
    claimed_by VARCHAR(255),
    claimed_at DATETIME(3),
    claimed_key BIGINT,
    cancel_requested BOOL NOT NULL,
    progress DOUBLE,
    progress_message LONGTEXT,
    dedupe_key VARCHAR(191),
    former_dedupe_key VARCHAR(191),
    tags LONGTEXT,
    concurrency_key VARCHAR(191),
    key_slot INTEGER,
    traceparent VARCHAR(55),
    parent_id BIGINT,
    created_at DATETIME(3) NOT NULL,
    completed_at DATETIME(3),
    params_json LONGTEXT NOT NULL,
    result_json LONGTEXT,
    error_message LONGTEXT,
    error_traceback LONGTEXT,
    PRIMARY KEY (id),
    KEY tasks_claim (status, urgency, id),
    KEY tasks_claim_type (status, type_id, urgency, id),
    KEY tasks_created (status, id),
    UNIQUE KEY tasks_dedupe (dedupe_key, type_id),
    KEY tasks_due (due_at),
    KEY tasks_key (concurrency_key, type_id, key_slot, urgency, id),
    KEY tasks_parent (parent_id, id),
    KEY tasks_status (status, type_id, id),
    KEY tasks_type (type_id, id),
    KEY tasks_worker (claimed_by, id, type_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS used_dedupe_keys (
    dedupe_key VARCHAR(191) NOT NULL,
    type_id BIGINT NOT NULL,
    task_id BIGINT NOT NULL,
    status VARCHAR(10) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    pruned_at DATETIME(3) NOT NULL,
    PRIMARY KEY (dedupe_key, type_id),
    KEY used_dedupe_keys_pruned (pruned_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS worker_activity (
    step_seconds INTEGER NOT NULL,
    started_at DATETIME(3) NOT NULL,
    worker_id VARCHAR(255) NOT NULL,
    event VARCHAR(10) NOT NULL,
    bucket INTEGER NOT NULL,
    total BIGINT NOT NULL,
    total_seconds DOUBLE NOT NULL,
    PRIMARY KEY (step_seconds, started_at, worker_id, event, bucket)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS workers (
    id VARCHAR(255) NOT NULL,
    host VARCHAR(255),
    version VARCHAR(50),
    task_types_json LONGTEXT,
    concurrency INTEGER,
    metadata_json LONGTEXT,
    registered_at DATETIME(3),
    deregistered_at DATETIME(3),
    first_seen_at DATETIME(3) NOT NULL,
    last_seen_at DATETIME(3) NOT NULL,
    claim_mark BIGINT,
    repeated_claim BIGINT,
    PRIMARY KEY (id),
    KEY workers_seen (last_seen_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO settings (name, value) VALUES ('schema_version', '5');
COMMIT;
