"""TaskManager's settings. Copy this file to config.py beside it and change what you need.

Each setting may also come from the environment as TASKMANAGER_<NAME>, which wins over this file.
Settings that you leave out have the values shown here. Times are in seconds, sizes in bytes.
"""

# --- Database ---------------------------------------------------------------------------------

# Where the queue is stored: one address, in one of these forms:
#   sqlite:////absolute/path/queue.sqlite3      (a file; it and its tables are made at first use)
#   sqlite:///relative/path/queue.sqlite3       (relative to the folder of this file)
#   mysql+pymysql://user:password@host:3306/name?charset=utf8mb4
#   mysql://user:password@localhost/name?unix_socket=/run/mysqld/mysqld.sock
# Write special characters in the password as %xx (@ is %40, / is %2F, # is %23).
# Add ?ssl=true to require TLS. If this and DB_NAME are empty, the queue is a SQLite file in data/.
DATABASE_URL = ""

# Or the four values that the control panel shows. They are used when DATABASE_URL is empty.
# DB_HOST may include a port or a socket: "localhost:3307", "localhost:/run/mysqld/mysqld.sock".
# "localhost" alone means the server's socket: the one in MYSQL_UNIX_PORT, in ~/.my.cnf or
# /etc/my.cnf under [client], or in a usual place. If no socket accepts the user, it means TCP.
DB_HOST = "localhost"
DB_NAME = ""
DB_USER = ""
DB_PASS = ""

# --- Access -----------------------------------------------------------------------------------

# The key that every call must send, as "Authorization: Bearer KEY", as "X-API-Key: KEY", or as
# the password of HTTP Basic with any user name (https://x:KEY@example.com/api).
# Use at least 24 characters; shorter keys still work, with a warning. This command makes one:
#   python3 -c "import secrets; print(secrets.token_urlsafe(32))"
API_KEY = ""

# False lets anyone do anything, so use it only for a server that nobody else can reach.
# With True and no API_KEY, the server refuses every call that needs a key.
REQUIRE_AUTH = True

# Web pages on other sites whose scripts may call the API: a list of origins, such as
# ["https://www.example.com", "http://localhost:3000"], or one string with commas between them.
# "*" allows every page. A page needs the key like any client, so anyone who can read its script can
# use the key.
CORS_ORIGINS = []

# Whoever signed in to the dashboard is signed out after so many seconds without looking at a page:
# 7 days.
SESSION_MAX_IDLE = 604800

# And so many seconds after signing in, in any case: 30 days.
SESSION_MAX_AGE = 2592000

# --- Leases and retries -----------------------------------------------------------------------

# The lease: how long a claimed task stays with its worker if no heartbeat comes. Then another
# worker may claim it. A task type or a task may set its own, as "timeout".
TASK_CLAIM_TIMEOUT = 300

# In which order tasks are claimed, unless a claim says. "priority": the highest priority first,
# then the oldest. "fair": the highest priority first, and within it the task types take turns, so
# that one with very many tasks does not keep the others waiting.
CLAIM_ORDER = "priority"

# How many attempts a task gets before it fails for good, unless its type or the task sets its own.
MAX_TASK_ATTEMPTS = 3

# The wait before the second attempt. It doubles with each further attempt, up to RETRY_MAX_DELAY.
RETRY_DELAY = 10
RETRY_MAX_DELAY = 3600

# --- What is kept, and for how long -----------------------------------------------------------

# How many days after its end a task is kept with its history, by how it ended. Then it is deleted,
# a few hundred at a time, in the course of later claims or by `flask prune`. 0 deletes it about ten
# minutes later, None keeps it for ever. A task type may set its own, as "retention".
RETAIN_COMPLETED_DAYS = 30
RETAIN_FAILED_DAYS = 90
RETAIN_CANCELLED_DAYS = 30

# How many days a task keeps its result; None keeps it as long as the task.
RETAIN_RESULT_DAYS = None

# A task with dedupe "forever" (the default) is not made again after it was deleted for its age: a
# row of about 250 bytes keeps its key. How many days it is kept; None means for ever.
RETAIN_DEDUPE_DAYS = None

# How many days workers that are not seen any more are listed, and the audit log goes back.
RETAIN_WORKER_DAYS = 30
RETAIN_AUDIT_DAYS = 365

# Of how many of its newest times each schedule keeps what became of them.
RETAIN_SCHEDULE_RUNS = 100

# Record each change of a task's status. GET /api/tasks/{id}/history shows them, and the statistics
# are made of them.
ENABLE_TASK_HISTORY = True

# --- Alarm ------------------------------------------------------------------------------------

# GET /api/health/queue answers 503 when the oldest due task has waited for longer than this, when
# no worker was seen for longer than this, or when a larger share than this of the tasks that ended
# in the last hour failed. An address may ask for its own limits, as in
# /api/health/queue?max_age=60.
HEALTH_MAX_AGE = 900
HEALTH_MAX_SILENCE = 900
HEALTH_MAX_FAILURE_SHARE = 0.5

# A monitor such as Healthchecks, to which the cron line's worker tells when each run starts and how
# it ends, like "https://hc-ping.com/your-uuid". When it hears nothing any more, it writes to you.
PING_URL = ""

# --- Hosts without cron -----------------------------------------------------------------------

# A call of /api/run does waiting tasks with the handlers of this file, for at most so many seconds.
# Have it called each minute by a service that pings addresses:
#   https://www.example.com/api/run?token=RUN_TOKEN
# The token opens that address and nothing else; without one, only the API key does. Keep the
# seconds well below the time after which the host ends a request, which is often 30.
RUN_TOKEN = ""
RUN_SECONDS = 20

# Relative to the folder of this file.
RUN_HANDLERS = "handlers.py"

# --- What is checked --------------------------------------------------------------------------

# Check the params of new tasks against their type's JSON Schema.
ENABLE_SCHEMA_VALIDATION = True

# --- Sizes ------------------------------------------------------------------------------------

# The longest request body. Keep it below the database's max_allowed_packet.
MAX_BODY_BYTES = 1048576

# The longest params and the longest result of one task, as JSON.
MAX_PARAMS_BYTES = 262144
MAX_RESULT_BYTES = 524288

# How many seconds a call may take, including retries and waits for locks. Then it returns 503.
# Keep it below the time after which the host ends a request.
CALL_DEADLINE = 20

# A prefix for the name of each table, for a database in which another program already has tables
# named tasks, workers or settings. "tm_" makes them tm_tasks and so on. Set it before the tables
# are made. For MySQL and MariaDB only.
TABLE_PREFIX = ""
