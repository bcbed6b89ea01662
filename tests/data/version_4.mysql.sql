-- A queue that the first version made and version 4 of the tables was given: tasks in every status.
-- Never to be changed: databases like this one are in use.

/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `api_keys` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `name` varchar(100) NOT NULL,
  `key_hash` varchar(64) NOT NULL,
  `previous_hash` varchar(64) DEFAULT NULL,
  `previous_until` datetime(3) DEFAULT NULL,
  `hint` varchar(16) NOT NULL,
  `scopes` varchar(64) NOT NULL,
  `type_patterns_json` longtext DEFAULT NULL,
  `created_at` datetime(3) NOT NULL,
  `expires_at` datetime(3) DEFAULT NULL,
  `last_used_at` datetime(3) DEFAULT NULL,
  `revoked_at` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `api_keys_hash` (`key_hash`),
  KEY `api_keys_previous` (`previous_hash`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `audit_log` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `created_at` datetime(3) NOT NULL,
  `actor` varchar(150) NOT NULL,
  `action` varchar(64) NOT NULL,
  `target` varchar(255) DEFAULT NULL,
  `detail_json` longtext DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `audit_log` (`id`, `created_at`, `actor`, `action`, `target`, `detail_json`) VALUES (1,'2026-11-26 08:13:57.473','root key','schedule.put','nightly',NULL);
CREATE TABLE `error_groups` (
  `type_id` bigint(20) NOT NULL,
  `error_group` bigint(20) NOT NULL,
  `error` varchar(500) NOT NULL,
  `sample_id` bigint(20) NOT NULL,
  `first_at` datetime(3) NOT NULL,
  `last_at` datetime(3) NOT NULL,
  PRIMARY KEY (`type_id`,`error_group`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `idempotency_keys` (
  `api_key_id` bigint(20) NOT NULL,
  `idempotency_key` varchar(255) NOT NULL,
  `body_hash` varchar(64) NOT NULL,
  `created_json` longtext NOT NULL,
  `created_at` datetime(3) NOT NULL,
  PRIMARY KEY (`api_key_id`,`idempotency_key`),
  KEY `idempotency_keys_created` (`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `idempotency_keys` (`api_key_id`, `idempotency_key`, `body_hash`, `created_json`, `created_at`) VALUES (0,'once','2f2510669976f5cded000ac2cf501c0952a50bba8ebba625a8d2215c38861e20','[[false,9,\"pending\",0,\"201a2b22100943fab4f97cc4c72be0c2a87a072e2bf57d0e4d664433a4c0f256\",\"2026-11-26 08:13:57.612\"]]','2026-11-26 08:13:57.614');
CREATE TABLE `schedule_runs` (
  `schedule_id` bigint(20) NOT NULL,
  `due_at` datetime(3) NOT NULL,
  `made_at` datetime(3) NOT NULL,
  `task_id` bigint(20) DEFAULT NULL,
  `message` varchar(500) DEFAULT NULL,
  PRIMARY KEY (`schedule_id`,`due_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `schedules` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `type_name` varchar(255) NOT NULL,
  `params_json` longtext NOT NULL,
  `cron` varchar(255) DEFAULT NULL,
  `every_seconds` double DEFAULT NULL,
  `timezone` varchar(64) NOT NULL,
  `missed` varchar(10) NOT NULL,
  `skips_unfinished` tinyint(1) NOT NULL,
  `priority` int(11) DEFAULT NULL,
  `max_attempts` int(11) DEFAULT NULL,
  `tags` longtext DEFAULT NULL,
  `is_paused` tinyint(1) NOT NULL,
  `next_at` datetime(3) DEFAULT NULL,
  `created_at` datetime(3) NOT NULL,
  `updated_at` datetime(3) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `schedules_name` (`name`),
  KEY `schedules_next` (`next_at`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `schedules` (`id`, `name`, `type_name`, `params_json`, `cron`, `every_seconds`, `timezone`, `missed`, `skips_unfinished`, `priority`, `max_attempts`, `tags`, `is_paused`, `next_at`, `created_at`, `updated_at`) VALUES (1,'nightly','mail.send','{\"to\":\"ada@example.org\"}','30 3 * * *',NULL,'Europe/Warsaw','once',0,NULL,NULL,'\ngrün\n',0,'2026-11-27 02:30:00.000','2026-11-26 08:13:57.473','2026-11-26 08:13:57.473');
CREATE TABLE `settings` (
  `name` varchar(64) NOT NULL,
  `value` varchar(255) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `settings` (`name`, `value`) VALUES ('schema_version','4');
CREATE TABLE `task_activity` (
  `step_seconds` int(11) NOT NULL,
  `started_at` datetime(3) NOT NULL,
  `type_id` bigint(20) NOT NULL,
  `event` varchar(10) NOT NULL,
  `bucket` int(11) NOT NULL,
  `total` bigint(20) NOT NULL,
  `total_seconds` double NOT NULL,
  PRIMARY KEY (`step_seconds`,`started_at`,`type_id`,`event`,`bucket`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `task_counts` (
  `type_id` bigint(20) NOT NULL,
  `status` varchar(10) NOT NULL,
  `error_group` bigint(20) NOT NULL,
  `total` bigint(20) NOT NULL,
  PRIMARY KEY (`type_id`,`status`,`error_group`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `task_errors` (
  `error_group` bigint(20) NOT NULL,
  `task_id` bigint(20) NOT NULL,
  `type_id` bigint(20) NOT NULL,
  PRIMARY KEY (`error_group`,`task_id`),
  KEY `task_errors_task` (`task_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `task_history` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `task_id` bigint(20) NOT NULL,
  `status` varchar(10) NOT NULL,
  `worker_id` varchar(255) DEFAULT NULL,
  `attempt` int(11) NOT NULL,
  `message` longtext DEFAULT NULL,
  `seconds` double DEFAULT NULL,
  `created_at` datetime(3) NOT NULL,
  `waited` double DEFAULT NULL,
  `error_group` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `task_history_task` (`task_id`,`id`)
) ENGINE=InnoDB AUTO_INCREMENT=18 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (1,1,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.282',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (2,1,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:49.294',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (3,1,'completed','night-worker',1,NULL,0.005,'2026-11-22 03:22:49.306',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (4,2,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.313',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (5,2,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:49.315',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (6,2,'failed','night-worker',1,'no such mailbox',0.005,'2026-11-22 03:22:49.317',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (7,3,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.323',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (8,3,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:49.331',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (9,3,'pending','night-worker',1,'mailbox is busy',0.005,'2026-11-22 03:22:49.353',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (10,4,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.369',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (11,4,'cancelled',NULL,0,NULL,NULL,'2026-11-22 03:22:49.374',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (12,5,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.379',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (13,6,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.383',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (14,6,'claimed','night-worker',1,NULL,NULL,'2026-11-22 03:22:49.387',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (15,7,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.396',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (16,8,'pending',NULL,0,NULL,NULL,'2026-11-22 03:22:49.399',NULL,NULL);
INSERT INTO `task_history` (`id`, `task_id`, `status`, `worker_id`, `attempt`, `message`, `seconds`, `created_at`, `waited`, `error_group`) VALUES (17,9,'pending',NULL,0,NULL,NULL,'2026-11-26 08:13:57.613',NULL,NULL);
CREATE TABLE `task_tags` (
  `tag` varchar(50) NOT NULL,
  `task_id` bigint(20) NOT NULL,
  `type_id` bigint(20) NOT NULL,
  PRIMARY KEY (`tag`,`task_id`),
  KEY `task_tags_task` (`task_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `task_tags` (`tag`, `task_id`, `type_id`) VALUES ('grün',1,1);
INSERT INTO `task_tags` (`tag`, `task_id`, `type_id`) VALUES ('letter',1,1);
CREATE TABLE `task_types` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `version` varchar(50) NOT NULL,
  `param_schema_json` longtext NOT NULL,
  `description` longtext DEFAULT NULL,
  `max_attempts` int(11) DEFAULT NULL,
  `timeout` double DEFAULT NULL,
  `retry_delay` double DEFAULT NULL,
  `retry_max_delay` double DEFAULT NULL,
  `priority` int(11) DEFAULT NULL,
  `max_running` int(11) DEFAULT NULL,
  `dedupe_json` varchar(32) DEFAULT NULL,
  `retention_days` double DEFAULT NULL,
  `is_active` tinyint(1) NOT NULL,
  `is_paused` tinyint(1) NOT NULL,
  `created_at` datetime(3) NOT NULL,
  `updated_at` datetime(3) NOT NULL,
  `claim_mark` bigint(20) DEFAULT NULL,
  `retention_json` varchar(255) DEFAULT NULL,
  `archived_at` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `task_types_name` (`name`),
  KEY `task_types_paused` (`is_paused`,`name`,`max_running`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `task_types` (`id`, `name`, `version`, `param_schema_json`, `description`, `max_attempts`, `timeout`, `retry_delay`, `retry_max_delay`, `priority`, `max_running`, `dedupe_json`, `retention_days`, `is_active`, `is_paused`, `created_at`, `updated_at`, `claim_mark`, `retention_json`, `archived_at`) VALUES (1,'mail.send','1','{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"}},\"required\":[\"to\"]}','A letter\'s way',2,NULL,3600,NULL,NULL,NULL,'\"active\"',NULL,1,0,'2026-11-22 03:22:49.259','2026-11-22 03:22:49.259',NULL,NULL,NULL);
INSERT INTO `task_types` (`id`, `name`, `version`, `param_schema_json`, `description`, `max_attempts`, `timeout`, `retry_delay`, `retry_max_delay`, `priority`, `max_running`, `dedupe_json`, `retention_days`, `is_active`, `is_paused`, `created_at`, `updated_at`, `claim_mark`, `retention_json`, `archived_at`) VALUES (2,'größe.messen','2.1','{}',NULL,NULL,NULL,NULL,NULL,5,NULL,NULL,NULL,0,0,'2026-11-22 03:22:49.263','2026-11-22 03:22:49.266',NULL,NULL,NULL);
CREATE TABLE `tasks` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `type_id` bigint(20) NOT NULL,
  `status` varchar(10) NOT NULL,
  `urgency` int(11) NOT NULL,
  `due_at` datetime(3) DEFAULT NULL,
  `attempts` int(11) NOT NULL,
  `max_attempts` int(11) NOT NULL,
  `timeout` double DEFAULT NULL,
  `lease` double DEFAULT NULL,
  `change_id` bigint(20) DEFAULT NULL,
  `claimed_by` varchar(255) DEFAULT NULL,
  `claimed_at` datetime(3) DEFAULT NULL,
  `cancel_requested` tinyint(1) NOT NULL,
  `progress` double DEFAULT NULL,
  `progress_message` longtext DEFAULT NULL,
  `dedupe_key` varchar(191) DEFAULT NULL,
  `tags` longtext DEFAULT NULL,
  `created_at` datetime(3) NOT NULL,
  `completed_at` datetime(3) DEFAULT NULL,
  `params_json` longtext NOT NULL,
  `result_json` longtext DEFAULT NULL,
  `error_message` longtext DEFAULT NULL,
  `error_traceback` longtext DEFAULT NULL,
  `releases` int(11) NOT NULL DEFAULT 0,
  `last_outcome` varchar(10) DEFAULT NULL,
  `claim_id` bigint(20) DEFAULT NULL,
  `former_dedupe_key` varchar(191) DEFAULT NULL,
  `ready_at` datetime(3) DEFAULT NULL,
  `claimed_key` bigint(20) DEFAULT NULL,
  `traceparent` varchar(55) DEFAULT NULL,
  `parent_id` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `tasks_dedupe` (`dedupe_key`,`type_id`),
  KEY `tasks_claim` (`status`,`urgency`,`id`),
  KEY `tasks_claim_type` (`status`,`type_id`,`urgency`,`id`),
  KEY `tasks_due` (`due_at`),
  KEY `tasks_status` (`status`,`type_id`,`id`),
  KEY `tasks_type` (`type_id`,`id`),
  KEY `tasks_created` (`status`,`id`),
  KEY `tasks_worker` (`claimed_by`,`id`,`type_id`)
) ENGINE=InnoDB AUTO_INCREMENT=10 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (1,1,'completed',0,NULL,1,2,NULL,300,1287881014149496918,'night-worker','2026-11-22 03:22:49.293',0,100,NULL,'bc25fff2155c7d419c2b64108d91dfb725bdfd7effb76b788708f5c6a1b8c1a0','\nletter\ngrün\n','2026-11-22 03:22:49.282','2026-11-22 03:22:49.305','{\"to\":\"ada@example.org\"}','{\"sent\":true,\"note\":\"naïve; -- \'quoted\' \\\\ 日本 🐎\"}',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (2,1,'failed',0,NULL,1,2,NULL,300,5112069934485815889,'night-worker','2026-11-22 03:22:49.315',0,NULL,NULL,'85ab0d8eb999658e8fb5cfe4aa72ff4c6a0d61d8ffc2b9f515173f9c5073c218',NULL,'2026-11-22 03:22:49.310','2026-11-22 03:22:49.316','{\"to\":\"nobody\"}',NULL,'no such mailbox','Traceback:\n  line 1\n',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (3,1,'scheduled',0,'2026-11-22 04:20:38.782',1,2,NULL,300,1160344518005965105,'night-worker','2026-11-22 03:22:49.330',0,NULL,NULL,'ff7c379f7b6d6494b768a7e2366a631ded1185f113cbc66510248c2ea5389b73',NULL,'2026-11-22 03:22:49.323',NULL,'{\"to\":\"busy@example.org\"}',NULL,'mailbox is busy',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (4,1,'cancelled',0,NULL,0,2,NULL,NULL,928510702671553233,NULL,NULL,0,NULL,NULL,'6e9b29b139e9b4fe023361f6e0a905910aaf86de9c9456781fbc1147d1a69211',NULL,'2026-11-22 03:22:49.368','2026-11-22 03:22:49.374','{\"to\":\"late@example.org\"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (5,1,'scheduled',0,'2096-01-01 00:00:00.000',0,2,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'1838b8ebfa8403a8e9f1a5f82b71eb3ff572cffd0c0a8bf98466db351f51e52d',NULL,'2026-11-22 03:22:49.378',NULL,'{\"to\":\"soon@example.org\"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (6,1,'claimed',-3,'2026-11-29 03:22:49.391',1,2,NULL,604800,3660850498726702539,'night-worker','2026-11-22 03:22:49.387',0,40,'half way','bfcc8606e43d0afd6c6b8b8bf58a064f519f36d848e1539220581d562a54571e',NULL,'2026-11-22 03:22:49.383',NULL,'{\"to\":\"now@example.org\"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (7,1,'pending',0,NULL,0,7,30,NULL,NULL,NULL,NULL,0,NULL,NULL,'next',NULL,'2026-11-22 03:22:49.395',NULL,'{\"to\":\"next@example.org\"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (8,1,'pending',-9,NULL,0,2,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'ca99d80f78f72edc77a793b65a69d16d58de9e73803514e43f086bfb0bfe5fdf',NULL,'2026-11-22 03:22:49.399',NULL,'{\"to\":\"first@example.org\"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `tasks` (`id`, `type_id`, `status`, `urgency`, `due_at`, `attempts`, `max_attempts`, `timeout`, `lease`, `change_id`, `claimed_by`, `claimed_at`, `cancel_requested`, `progress`, `progress_message`, `dedupe_key`, `tags`, `created_at`, `completed_at`, `params_json`, `result_json`, `error_message`, `error_traceback`, `releases`, `last_outcome`, `claim_id`, `former_dedupe_key`, `ready_at`, `claimed_key`, `traceparent`, `parent_id`) VALUES (9,1,'pending',0,NULL,0,2,NULL,NULL,6236886389000095946,NULL,NULL,0,NULL,NULL,'201a2b22100943fab4f97cc4c72be0c2a87a072e2bf57d0e4d664433a4c0f256',NULL,'2026-11-26 08:13:57.612',NULL,'{\"to\":\"once@example.org\"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE `used_dedupe_keys` (
  `dedupe_key` varchar(191) NOT NULL,
  `type_id` bigint(20) NOT NULL,
  `task_id` bigint(20) NOT NULL,
  `status` varchar(10) NOT NULL,
  `created_at` datetime(3) NOT NULL,
  `pruned_at` datetime(3) NOT NULL,
  PRIMARY KEY (`dedupe_key`,`type_id`),
  KEY `used_dedupe_keys_pruned` (`pruned_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `worker_activity` (
  `step_seconds` int(11) NOT NULL,
  `started_at` datetime(3) NOT NULL,
  `worker_id` varchar(255) NOT NULL,
  `event` varchar(10) NOT NULL,
  `bucket` int(11) NOT NULL,
  `total` bigint(20) NOT NULL,
  `total_seconds` double NOT NULL,
  PRIMARY KEY (`step_seconds`,`started_at`,`worker_id`,`event`,`bucket`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
CREATE TABLE `workers` (
  `id` varchar(255) NOT NULL,
  `host` varchar(255) DEFAULT NULL,
  `version` varchar(50) DEFAULT NULL,
  `task_types_json` longtext DEFAULT NULL,
  `concurrency` int(11) DEFAULT NULL,
  `metadata_json` longtext DEFAULT NULL,
  `registered_at` datetime(3) DEFAULT NULL,
  `deregistered_at` datetime(3) DEFAULT NULL,
  `first_seen_at` datetime(3) NOT NULL,
  `last_seen_at` datetime(3) NOT NULL,
  `claim_mark` bigint(20) DEFAULT NULL,
  `repeated_claim` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `workers_seen` (`last_seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT INTO `workers` (`id`, `host`, `version`, `task_types_json`, `concurrency`, `metadata_json`, `registered_at`, `deregistered_at`, `first_seen_at`, `last_seen_at`, `claim_mark`, `repeated_claim`) VALUES ('night-worker','cellar','1.0','[\"mail.send\"]',2,'{\"rack\":\"3\"}','2026-11-22 03:22:49.200',NULL,'2026-11-22 03:22:49.200','2026-11-22 03:22:49.387',NULL,NULL);
