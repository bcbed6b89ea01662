<?php
/*
 * The calls of a worker, and of a program that adds tasks, by the names that the PHP worker's guide
 * gives them. For PHP 7.4 or newer, with TaskManagerClient.php beside it:
 *
 *     $client = new WorkerClient('https://example.com/api', 'worker-01');
 *     while ($task = $client->claimTask('shop.%')) {
 *         $client->completeTask($task['id'], ['seen' => $task['params']]);
 *     }
 *
 * The API key comes from the environment variable TASKMANAGER_API_KEY, or stands in the address as
 * a password: https://x:KEY@example.com/api. Calls throw what TaskManagerClient throws.
 */

declare(strict_types=1);

require_once __DIR__ . '/TaskManagerClient.php';

class WorkerClient
{
    /** @var TaskManagerClient */
    private $client;
    /** @var string */
    private $workerId;
    /** @var bool */
    private $debug;
    /** @var array<int, int> which attempt each claimed task is at: it proves whose task it is */
    private $attempts = [];

    public function __construct(
        string $apiUrl,
        string $workerId,
        bool $debug = false,
        int $timeout = 30
    ) {
        $key = getenv('TASKMANAGER_API_KEY') ?: '';
        $this->client = new TaskManagerClient($apiUrl, $key, $timeout);
        $this->workerId = $workerId;
        $this->debug = $debug;
    }

    /** Whether the server can be reached and is healthy. */
    public function checkHealth(): bool
    {
        try {
            return $this->client->isHealthy();
        } catch (TaskManagerTrouble $trouble) {
            $this->tell($trouble->getMessage());
            return false;
        }
    }

    /** Makes a task type, or updates it. `$schema` is a JSON Schema; [] takes any params. */
    public function registerTaskType(string $name, string $version, array $schema): array
    {
        return $this->client->registerTaskType($name, $version, $schema);
    }

    /** Adds a task, or finds the equal one that is there; its `id` is in the answer. */
    public function createTask(string $type, array $params): array
    {
        return $this->client->createTask($type, $params);
    }

    /** Everything about a task. */
    public function getTask(int $id): array
    {
        return $this->client->getTask($id);
    }

    /** The next task, of a type LIKE the pattern if there is one; null when there is none. */
    public function claimTask(?string $typePattern = null): ?array
    {
        $pattern = $typePattern === null ? [] : ['type_pattern' => $typePattern];
        try {
            $body = ['worker_id' => $this->workerId] + $pattern;
            $task = $this->client->call('POST', '/tasks/claim', $body);
        } catch (TaskManagerRefusal $refusal) {
            if ($refusal->errorCode !== 'no_tasks') {
                throw $refusal;
            }
            $this->tell('no task to do');
            return null;
        }
        $this->attempts[$task['id']] = $task['attempts'];
        $this->tell("task {$task['id']}: {$task['type']}, attempt {$task['attempts']}");
        return $task;
    }

    /** Reports a claimed task as done, with any result that is JSON. */
    public function completeTask(int $id, $result = null): array
    {
        return $this->settle($id, 'complete', ['result' => $result]);
    }

    /** Reports that an attempt failed; `$details`, if there are any, are kept as its traceback. */
    public function failTask(int $id, string $error, $details = null): array
    {
        $told = is_string($details) ? $details : json_encode($details);
        return $this->settle($id, 'fail', ['error' => $error]
            + ($details === null ? [] : ['trace' => $told]));
    }

    private function settle(int $id, string $ending, array $report): array
    {
        $attempt = isset($this->attempts[$id]) ? ['attempt' => $this->attempts[$id]] : [];
        $body = ['worker_id' => $this->workerId] + $attempt + $report;
        $answer = $this->client->call('POST', "/tasks/$id/$ending", $body);
        unset($this->attempts[$id]);
        $this->tell("task $id: {$answer['status']}");
        return $answer;
    }

    private function tell(string $text): void
    {
        if ($this->debug) {
            error_log($text);
        }
    }
}
