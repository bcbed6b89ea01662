#!/usr/bin/env php
<?php
/*
 * A worker for TaskManager on PHP 7.4 or newer with the curl extension, short enough to read before
 * you change it. Put TaskManagerClient.php beside it, your own handlers below, under "Handlers",
 * and run
 *
 *     TASKMANAGER_API_URL=https://example.com/api TASKMANAGER_API_KEY=… php worker.php
 *
 * Options, with their environment variables and defaults; the command line wins:
 *
 *     --api-url URL          TASKMANAGER_API_URL  http://127.0.0.1:8000/api
 *     --api-key KEY          TASKMANAGER_API_KEY  (better in the environment: `ps` shows options)
 *     --worker-id NAME       WORKER_ID            host-process-random
 *     --type-pattern LIKE    TASK_TYPE_PATTERN    as in 'example.%'
 *     --task-types A,B       TASK_TYPES           all that have a handler
 *     --poll-interval SEC    POLL_INTERVAL        10
 *     --max-runs N           MAX_RUNS             0 (no end)
 *     --debug                DEBUG                log each task
 *     --until-empty                               end when nothing is left
 *
 * Without a key, the password in the address is the key: https://x:KEY@example.com/api.
 *
 * From cron, every minute, until there is nothing left to do (with the address and the key above
 * the line, as crontab allows):
 *
 *     * * * * * php $HOME/queue/worker.php --until-empty 2>>$HOME/queue/worker.log
 *
 * Exit codes: 0 done or stopped by SIGTERM or SIGINT (which let the task at hand finish, where PHP
 * has the pcntl extension), 1 gave up after five network or server errors in a row, 2 wrong usage,
 * 3 refused by the server (wrong key).
 */

declare(strict_types=1);

require __DIR__ . '/TaskManagerClient.php';

const FAILURES_IN_A_ROW = 5; // then the worker gives up
const LONGEST_PAUSE = 60.0; // seconds
const LONGEST_HEARTBEAT_INTERVAL = 60.0; // seconds between two heartbeats, however long the lease
const PROGRESS_EVERY = 1.0; // seconds between two progress reports

// --- Handlers: add yours here --------------------------------------------------------------------
//
// A handler takes the task's params and the job, and returns the result. After any exception
// the task is tried again later; a PermanentError fails it for good. PHP does one thing at a time,
// so one that runs for long calls $job->heartbeat() or $job->progress() now and then: that extends
// the lease, and may be done as often as you like.
//
// A function processTask(array $task) anywhere in this file works too, as guides write it: it
// gets what has no handler below, and the worker then claims all types that its options allow. What
// it returns with 'success' => false counts as a failure, with its 'message' as the error.

final class PermanentError extends RuntimeException
{
}

function handlers(): array
{
    return [
        'example.echo' => function (array $params, Job $job): array {
            $timestamp = array_intersect_key($params, ['timestamp' => true]);
            return ['echoed' => $params['message']] + $timestamp;
        },

        'example.uppercase' => function (array $params, Job $job): array {
            // The mbstring extension, where there is one, knows letters beyond ASCII.
            $upper = function_exists('mb_strtoupper') ? 'mb_strtoupper' : 'strtoupper';
            $result = $upper($params['text']);
            return ['result' => $result, 'length' => preg_match_all('/./us', $result)];
        },

        'example.math.add' => function (array $params, Job $job): array {
            return ['sum' => $params['a'] + $params['b']];
        },

        'example.sleep' => 'sleepSlowly',

        'example.error' => function (array $params, Job $job): array {
            $message = $params['message'] ?? 'this task always fails';
            if ($params['permanent'] ?? false) {
                throw new PermanentError($message);
            }
            throw new RuntimeException($message);
        },
    ];
}

function sleepSlowly(array $params, Job $job): array
{
    $seconds = $params['seconds'];
    $began = microtime(true);
    while (($slept = microtime(true) - $began) < $seconds) {
        $sofar = sprintf('%.1f of %g s', $slept, $seconds);
        if ($job->isCancelled()) {
            throw new RuntimeException("cancelled after $sofar");
        }
        $job->progress(100 * $slept / $seconds, "slept $sofar");
        pauseFor(min(0.1, $seconds - $slept));
    }
    return ['slept' => $seconds];
}

// --- A claimed task ------------------------------------------------------------------------------

final class Job
{
    /** @var int */
    public $id;
    /** @var string */
    public $type;
    /** @var array */
    public $params;
    /** @var int */
    public $attempt;
    /** @var array worker and attempt, sent with every call about the task */
    public $identity;
    /** @var TaskManagerClient */
    private $client;
    /** @var float seconds */
    private $heartbeatInterval;
    /** @var float */
    private $heartbeatAt;
    /** @var float */
    private $reportedAt = 0.0;
    /** @var bool */
    private $isLost = false;
    /** @var bool */
    private $isCancelled = false;

    public function __construct(array $task, string $workerId, TaskManagerClient $client)
    {
        $this->id = $task['id'];
        $this->type = $task['type'];
        $this->params = $task['params'];
        $this->attempt = $task['attempts'];
        $this->identity = ['worker_id' => $workerId, 'attempt' => $task['attempts']];
        $this->client = $client;
        $this->heartbeatInterval = min($task['lease'] / 3, LONGEST_HEARTBEAT_INTERVAL);
        $this->heartbeatAt = microtime(true);
    }

    /** Extends the lease when a third of it has passed; otherwise does nothing. */
    public function heartbeat(): void
    {
        if (microtime(true) - $this->heartbeatAt >= $this->heartbeatInterval) {
            $this->send('heartbeat', []);
        }
    }

    /** Tells how far the task is, 0 to 100, at most once a second; extends the lease too. */
    public function progress(float $percent, string $message = ''): void
    {
        if (microtime(true) - $this->reportedAt >= PROGRESS_EVERY) {
            $this->reportedAt = microtime(true);
            $this->send('progress', ['progress' => $percent, 'message' => $message]);
        }
    }

    /** Whether to stop soon, since the task was cancelled or its lease is lost. */
    public function isCancelled(): bool
    {
        return $this->isCancelled || $this->isLost;
    }

    /** Whether this worker no longer holds the task, and must not settle it. */
    public function isLost(): bool
    {
        return $this->isLost;
    }

    private function send(string $what, array $update): void
    {
        if ($this->isLost) {
            return;
        }
        $this->heartbeatAt = microtime(true);
        try {
            $body = $this->identity + $update;
            $answer = $this->client->call('POST', "/tasks/{$this->id}/$what", $body);
            $this->isCancelled = $this->isCancelled || $answer['cancel_requested'];
        } catch (TaskManagerRefusal $refusal) {
            $this->isLost = true;
            logLine("task {$this->id}: lease lost: {$refusal->getMessage()}");
        } catch (TaskManagerTrouble $trouble) {
            logLine("task {$this->id}: lease not extended: {$trouble->getMessage()}");
        }
    }
}

// --- The worker ----------------------------------------------------------------------------------

/** Claims, runs and settles one task at a time; the settling call claims the next. */
final class Worker
{
    /** @var array */
    private $options;
    /** @var array<string, callable> */
    private $handlers;
    /** @var TaskManagerClient */
    private $client;
    /** @var array which tasks to claim */
    private $claimOptions;
    /** @var int in a row */
    private $failures = 0;
    /** @var array<string, int> */
    private $counts = ['claimed' => 0, 'completed' => 0, 'failed' => 0, 'lost' => 0];
    /** @var bool */
    private $isStopping = false;

    public function __construct(array $options, array $handlers)
    {
        $this->options = $options;
        $this->handlers = $handlers;
        $this->client = new TaskManagerClient($options['api-url'], $options['api-key']);
        $pattern = $options['type-pattern'];
        $types = $options['task-types'];
        $this->claimOptions = ($types ? ['task_types' => $types] : [])
            + ($pattern === '' ? [] : ['type_pattern' => $pattern]);
    }

    /** Works until there is a reason to end; TaskManagerTrouble after five failures in a row. */
    public function run(): void
    {
        $this->insist('GET', '/health');
        $claims = json_encode($this->claimOptions);
        logLine("worker {$this->options['worker-id']} waits for $claims");
        $task = $this->claim();
        while ($this->goesOn() && ($task || !$this->options['until-empty'])) {
            if ($task) {
                $task = $this->work($task);
            } else {
                $this->pause($this->options['poll-interval']);
                $task = $this->claim();
            }
        }
        if ($task) {
            $this->release($task);
        }
    }

    public function stop(): void
    {
        $this->isStopping = true;
    }

    public function summary(): string
    {
        $text = 'claimed %d, completed %d, failed %d, lost %d';
        return vsprintf($text, array_values($this->counts));
    }

    private function goesOn(): bool
    {
        $most = $this->options['max-runs'];
        return !$this->isStopping && ($most === 0 || $this->counts['claimed'] < $most);
    }

    /** The next task, or null when there is none or the worker is to end. */
    private function claim(): ?array
    {
        $body = ['worker_id' => $this->options['worker-id']] + $this->claimOptions;
        while ($this->goesOn()) {
            try {
                return $this->attempt('POST', '/tasks/claim', $body);
            } catch (TaskManagerTrouble $trouble) {
                $this->rideOut($trouble);
            } catch (TaskManagerRefusal $refusal) {
                if ($refusal->errorCode !== 'no_tasks') {
                    throw $refusal;
                }
                return null;
            }
        }
        return null;
    }

    /** Runs the task's handler and settles it. Returns the next task if one came with that. */
    private function work(array $task): ?array
    {
        $this->counts['claimed']++;
        $this->debug("task {$task['id']}: {$task['type']}, attempt {$task['attempts']}");
        $job = new Job($task, $this->options['worker-id'], $this->client);
        [$ending, $report] = $this->outcome($job);
        if ($job->isLost()) {
            $this->counts['lost']++;
            return $this->claim();
        }
        return $this->settle($job, $ending, $report);
    }

    /** Runs the handler: how the attempt ended, and what to report of it. */
    private function outcome(Job $job): array
    {
        try {
            $handler = $this->handlers[$job->type] ?? 'processAsTask';
            $result = $handler($job->params, $job);
        } catch (Throwable $reason) {
            return ['fail', [
                'error' => asUtf8($reason->getMessage()),
                'trace' => asUtf8((string) $reason),
                'retry' => !($reason instanceof PermanentError),
            ]];
        }
        if (json_encode($result) === false) {
            $error = 'the result is not JSON: ' . json_last_error_msg();
            return ['fail', ['error' => $error, 'retry' => false]];
        }
        return ['complete', ['result' => $result]];
    }

    private function settle(Job $job, string $ending, array $report): ?array
    {
        $body = $job->identity + $report;
        if ($this->goesOn()) {
            $body['claim'] = $this->claimOptions;
        }
        try {
            // Sent again after trouble: settling the same attempt twice changes nothing more.
            $answer = $this->insist('POST', "/tasks/{$job->id}/$ending", $body);
        } catch (TaskManagerRefusal $refusal) {
            return $this->notSettled($job, $ending, $refusal);
        }
        $this->count($job, $ending, $report);
        return $answer['tasks'][0] ?? null;
    }

    private function notSettled(Job $job, string $ending, TaskManagerRefusal $refusal): ?array
    {
        if ($refusal->status === 401) {
            throw $refusal;
        }
        if ($ending === 'fail' || in_array($refusal->status, [403, 404, 409], true)) {
            logLine("task {$job->id}: not settled: {$refusal->getMessage()}");
            $this->counts['lost']++;
            return $this->claim();
        }
        // For example a result that is too large: another attempt would end the same way.
        $report = ['error' => "result refused: {$refusal->getMessage()}", 'retry' => false];
        return $this->settle($job, 'fail', $report);
    }

    private function count(Job $job, string $ending, array $report): void
    {
        if ($ending === 'complete') {
            $this->counts['completed']++;
            logLine("task {$job->id}: Completed successfully");
            if (is_array($report['result']) && ($report['result']['success'] ?? null) === false) {
                logLine("WARNING task {$job->id}: the handler returned success: false; to fail, "
                    . 'throw an exception');
            }
        } else {
            $this->counts['failed']++;
            logLine("ERROR task {$job->id}: Failed: {$report['error']}");
        }
    }

    /** Gives back what was claimed while the signal to stop came in. */
    private function release(array $task): void
    {
        $body = ['worker_id' => $this->options['worker-id'], 'attempt' => $task['attempts']];
        try {
            $this->client->call('POST', "/tasks/{$task['id']}/release", $body);
        } catch (RuntimeException $reason) {
            logLine("task {$task['id']}: not released, its lease will expire: "
                . $reason->getMessage());
        }
    }

    /** Makes a call until it is answered; TaskManagerTrouble after five failures in a row. */
    private function insist(string $method, string $path, ?array $body = null): array
    {
        while (true) {
            try {
                return $this->attempt($method, $path, $body);
            } catch (TaskManagerTrouble $trouble) {
                $this->rideOut($trouble);
            }
        }
    }

    private function attempt(string $method, string $path, ?array $body): array
    {
        $answer = $this->client->call($method, $path, $body);
        $this->failures = 0;
        return $answer;
    }

    private function rideOut(TaskManagerTrouble $trouble): void
    {
        $this->failures++;
        if ($this->failures >= FAILURES_IN_A_ROW) {
            throw $trouble;
        }
        $pause = $this->options['poll-interval'] * 2 ** ($this->failures - 1);
        $seconds = min($pause, LONGEST_PAUSE);
        $unit = $seconds == 1 ? 'second' : 'seconds';
        logLine(sprintf('%s; trying again in %g %s', $trouble->getMessage(), $seconds, $unit));
        $this->pause($seconds);
    }

    /** Waits. A signal to stop ends the wait, and makes later ones short. */
    private function pause(float $seconds): void
    {
        $wasStopping = $this->isStopping;
        $end = microtime(true) + ($wasStopping ? min($seconds, 1.0) : $seconds);
        while ($this->isStopping === $wasStopping && ($left = $end - microtime(true)) > 0) {
            pauseFor(min(0.2, $left));
        }
    }

    private function debug(string $text): void
    {
        if ($this->options['debug']) {
            logLine($text);
        }
    }
}

/** Calls processTask() as a handler. */
function processAsTask(array $params, Job $job)
{
    $task = ['id' => $job->id, 'type' => $job->type, 'params' => $params];
    $result = processTask($task + ['attempts' => $job->attempt]);
    if (is_array($result) && ($result['success'] ?? true) === false) {
        throw new RuntimeException($result['message'] ?? 'processTask() returned no success');
    }
    return $result;
}

function pauseFor(float $seconds): void
{
    usleep((int) ceil(1e6 * $seconds));
}

/** The text with whatever is not UTF-8 replaced, as errors of other programs may be anything. */
function asUtf8(string $text): string
{
    return json_decode(json_encode($text, JSON_INVALID_UTF8_SUBSTITUTE));
}

function logLine(string $text): void
{
    fwrite(STDERR, gmdate('Y-m-d\TH:i:s\Z') . " $text\n");
}

// --- The command line ----------------------------------------------------------------------------

final class UsageError extends RuntimeException
{
}

/** @return array<string, mixed> the options by their names, checked */
function readOptions(array $arguments, array $handlers): array
{
    $options = [
        'api-url' => getenv('TASKMANAGER_API_URL') ?: 'http://127.0.0.1:8000/api',
        'api-key' => getenv('TASKMANAGER_API_KEY') ?: '',
        'worker-id' => getenv('WORKER_ID') ?: newWorkerId(),
        'type-pattern' => getenv('TASK_TYPE_PATTERN') ?: '',
        'task-types' => getenv('TASK_TYPES') ?: '',
        'poll-interval' => getenv('POLL_INTERVAL') ?: '10',
        'max-runs' => getenv('MAX_RUNS') ?: '0',
        'debug' => filter_var(getenv('DEBUG'), FILTER_VALIDATE_BOOLEAN),
        'until-empty' => false,
    ];
    return checked(array_merge($options, commandLine($arguments, $options)), $handlers);
}

/** @return array<string, mixed> what the command line says; `$known` has true or false for flags */
function commandLine(array $arguments, array $known): array
{
    $given = [];
    while ($arguments) {
        $argument = array_shift($arguments);
        [$name, $value] = explode('=', substr($argument, 2), 2) + [1 => null];
        if (strncmp($argument, '--', 2) !== 0 || !isset($known[$name])) {
            throw new UsageError("there is no option $argument; see --help");
        }
        if (is_bool($known[$name])) {
            $given[$name] = true;
        } elseif ($value === null && !$arguments) {
            throw new UsageError("--$name needs a value");
        } else {
            $given[$name] = $value ?? array_shift($arguments);
        }
    }
    return $given;
}

function checked(array $options, array $handlers): array
{
    if (!preg_match('#^https?://#', $options['api-url'])) {
        $reason = "must begin with http:// or https://, and is {$options['api-url']}";
        throw new UsageError("--api-url $reason");
    }
    $interval = filter_var($options['poll-interval'], FILTER_VALIDATE_FLOAT);
    if ($interval === false || $interval <= 0 || $interval > 86400) {
        throw new UsageError('--poll-interval must be seconds, more than 0 and at most a day');
    }
    $runs = filter_var($options['max-runs'], FILTER_VALIDATE_INT);
    if ($runs === false || $runs < 0) {
        throw new UsageError('--max-runs must be a whole number, 0 or more');
    }
    $types = preg_split('/[\s,]*,[\s,]*/', trim($options['task-types']), -1, PREG_SPLIT_NO_EMPTY);
    $takesAll = function_exists('processTask');
    $missing = array_diff($types, array_keys($handlers));
    if ($missing && !$takesAll) {
        throw new UsageError('there is no handler for ' . implode(', ', $missing) . ': add it');
    }
    return ['poll-interval' => $interval, 'max-runs' => $runs,
        'task-types' => $types ?: ($takesAll ? [] : array_keys($handlers))] + $options;
}

function newWorkerId(): string
{
    return gethostname() . '-' . getmypid() . '-' . bin2hex(random_bytes(3));
}

/** Makes PHP's warnings exceptions, so that a handler does not go on with a missing param. */
function failOnWarnings(): void
{
    set_error_handler(function (int $level, string $message, string $file, int $line): bool {
        if (error_reporting() & $level & (E_WARNING | E_NOTICE)) {
            throw new ErrorException($message, 0, $level, $file, $line);
        }
        return false;
    });
}

/** What the comment at the top of this file says. */
function help(): string
{
    preg_match('#/\*\n(.*?) \*/#s', file_get_contents(__FILE__), $comment);
    return preg_replace('/^ \* ?/m', '', $comment[1]);
}

function main(array $arguments): int
{
    if (in_array('--help', $arguments, true)) {
        echo help();
        return 0;
    }
    failOnWarnings();
    $handlers = handlers();
    $worker = null;
    try {
        $worker = new Worker(readOptions($arguments, $handlers), $handlers);
        if (function_exists('pcntl_async_signals')) {
            pcntl_async_signals(true);
            pcntl_signal(SIGTERM, [$worker, 'stop']);
            pcntl_signal(SIGINT, [$worker, 'stop']);
        }
        $worker->run();
        $code = 0;
    } catch (TaskManagerTrouble $reason) {
        $code = 1;
    } catch (UsageError $reason) {
        $code = 2;
    } catch (TaskManagerRefusal $reason) {
        $code = 3;
    }
    if (isset($reason)) {
        logLine("ERROR {$reason->getMessage()}");
    }
    if ($worker !== null) {
        logLine($worker->summary());
    }
    return $code;
}

exit(main(array_slice($argv, 1)));
