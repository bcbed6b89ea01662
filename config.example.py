"""TaskManager's settings. Copy this file to config.py beside it and change what you need.

Each setting may also come from the environment as TASKMANAGER_<NAME>, which wins over this file.
What is not set has the value shown here. Times are in seconds, sizes in bytes.
"""

# --- Database ---------------------------------------------------------------------------------

# Where the queue lives. Either one address, in one of these forms:
#   sqlite:////absolute/path/queue.sqlite3      (a file; it and its tables appear at first use)
#   sqlite:///relative/path/queue.sqlite3       (relative to the folder of this file)
#   mysql+pymysql://user:password@host:3306/name?charset=utf8mb4
#   mysql://user:password@localhost/name?unix_socket=/run/mysqld/mysqld.sock
# Special characters in the password are written as %xx (@ is %40, / is %2F, # is %23).
# Add ?ssl=true to insist on TLS. Empty, and DB_NAME empty too: a SQLite file in data/.
DATABASE_URL = ""

# Or the four values that the control panel shows (used when DATABASE_URL is empty).
# DB_HOST may carry a port or a socket: "localhost:3307", "localhost:/run/mysqld/mysqld.sock".
# "localhost" alone is the server's socket (the one in MYSQL_UNIX_PORT, in ~/.my.cnf or /etc/my.cnf
# under [client], or in a usual place), and TCP where no socket lets the user in.
DB_HOST = "localhost"
DB_NAME = ""
DB_USER = ""
DB_PASS = ""

# --- Access -----------------------------------------------------------------------------------

# The key that every call must carry, as "Authorization: Bearer KEY", as "X-API-Key: KEY", or as
# the password of HTTP Basic with any user name (https://x:KEY@example.com/api).
# At least 24 characters; shorter ones from earlier still work, with a warning. Make one with:
#   python3 -c "import secrets; print(secrets.token_urlsafe(32))"
API_KEY = ""

# False lets everybody do everything: only for a server that nobody else can reach.
# With True and no API_KEY the server refuses every call but /api/health.
REQUIRE_AUTH = True

# Web pages at other addresses whose scripts may call the API: a list of origins, such as
# ["https://www.example.com", "http://localhost:3000"], or a text with commas between them.
# "*" allows every page. A page needs the key as everybody does, so whoever can read the page's
# script can use the key.
CORS_ORIGINS = []

# --- Leases and retries -----------------------------------------------------------------------

# How long a worker may hold a claimed task without a sign of life before another may claim it.
# A task type or a task may set its own as "timeout".
TASK_CLAIM_TIMEOUT = 300

# How often a task is tried before it is failed for good, unless its type or the task says.
MAX_TASK_ATTEMPTS = 3

# The wait before the second attempt. It doubles with each further one, up to RETRY_MAX_DELAY.
RETRY_DELAY = 10
RETRY_MAX_DELAY = 3600

# --- What is kept and checked -----------------------------------------------------------------

# Keep a row for each change of a task's status, shown by GET /api/tasks/{id}/history.
ENABLE_TASK_HISTORY = True

# Check the params of new tasks against their type's JSON Schema.
ENABLE_SCHEMA_VALIDATION = True

# --- Sizes ------------------------------------------------------------------------------------

# The longest request body. Keep it below the database's max_allowed_packet.
MAX_BODY_BYTES = 1048576

# The longest params and the longest result of one task, as JSON.
MAX_PARAMS_BYTES = 262144
MAX_RESULT_BYTES = 524288

# How many seconds a call may take, waits for other programs' locks and all tries included; past
# that it is answered with 503. Keep it below the time that the host gives a request.
CALL_DEADLINE = 20

# What stands before the name of each table, where the database has another program's tables
# named tasks, workers, settings: "tm_" makes them tm_tasks and so on. Set it before the tables
# are made; for MySQL and MariaDB only.
TABLE_PREFIX = ""
