<?php
/*
 * TaskManager's API for PHP 7.4 or newer with the curl extension:
 *
 *     $client = new TaskManagerClient('https://example.com/api', $key);
 *     $client->registerTaskType('shop.greet', '1', ['type' => 'object']);
 *     $task = $client->createTask('shop.greet', ['name' => 'Ada'], ['priority' => 5]);
 *     echo $client->getTask($task['id'])['status'];
 *
 * Where there is no other place for the key, it may stand in the address, with an empty key beside
 * it: https://x:KEY@example.com/api.
 */

declare(strict_types=1);

/** There was no answer from TaskManager: the same call may succeed later. */
final class TaskManagerTrouble extends RuntimeException
{
}

/** TaskManager understood the call and said no; its message tells what to do. */
final class TaskManagerRefusal extends RuntimeException
{
    /** @var int HTTP status */
    public $status;
    /** @var string never changes, for programs: "no_tasks", "validation_failed" and so on */
    public $errorCode;
    /** @var array<int, array{path: string, message: string}> what exactly is wrong, where known */
    public $details;

    public function __construct(int $status, string $errorCode, string $message, array $details)
    {
        parent::__construct($message);
        $this->status = $status;
        $this->errorCode = $errorCode;
        $this->details = $details;
    }
}

final class TaskManagerClient
{
    private const JSON_FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE
        | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;

    /** @var string */
    private $url;
    /** @var string */
    private $key;
    /** @var int seconds */
    private $timeout;
    /** @var resource|\CurlHandle */
    private $curl;

    public function __construct(string $url, string $key, int $timeout = 30)
    {
        if (!function_exists('curl_init')) {
            throw new LogicException("PHP's curl extension is missing: install or enable it");
        }
        [$this->url, $password] = self::withoutPassword(rtrim($url, '/'));
        $this->key = $key !== '' ? $key : $password;
        $this->timeout = $timeout;
        $this->curl = curl_init();
    }

    /** @return array{string, string} the address as it may be shown, and the password in it */
    private static function withoutPassword(string $url): array
    {
        $password = (string) parse_url($url, PHP_URL_PASS);
        return [preg_replace('#^(\w+://)[^/?\#]*@#', '$1', $url), rawurldecode($password)];
    }

    /** Whether the server answers that it is healthy. Throws TaskManagerTrouble. */
    public function isHealthy(): bool
    {
        [$status, $text] = $this->exchange('GET', '/health', null);
        return $status === 200 && (json_decode($text, true)['status'] ?? '') === 'healthy';
    }

    /** Makes a task type, or updates it. `$schema` is a JSON Schema; [] takes any params. */
    public function registerTaskType(
        string $name,
        string $version,
        array $schema,
        array $settings = []
    ): array {
        $type = ['name' => $name, 'version' => $version, 'param_schema' => (object) $schema];
        return $this->call('POST', '/task-types/register', $type + $settings);
    }

    /** Adds a task. `$more` may hold priority, run_at, delay, max_attempts, dedupe and so on. */
    public function createTask(string $type, array $params, array $more = []): array
    {
        $task = ['type' => $type, 'params' => (object) $params];
        return $this->call('POST', '/tasks', $task + $more);
    }

    /** Everything about a task: `status`, `result`, `error_message`, `progress` and so on. */
    public function getTask(int $id): array
    {
        return $this->call('GET', "/tasks/$id");
    }

    /**
     * One call; gives the answer's `data`. Throws TaskManagerTrouble, TaskManagerRefusal, and
     * JsonException when the body holds what JSON cannot, such as text that is not UTF-8.
     */
    public function call(string $method, string $path, ?array $body = null): array
    {
        [$status, $text] = $this->exchange($method, $path, $body);
        $answer = json_decode($text, true);
        if (!is_array($answer) || !isset($answer['success'])) {
            $reason = "{$this->url} answered HTTP $status, not as TaskManager does";
            throw new TaskManagerTrouble($reason);
        }
        if ($answer['success']) {
            return $answer['data'] ?? [];
        }
        if ($status >= 500 || $status === 429) {
            throw new TaskManagerTrouble("HTTP $status: {$answer['error']}");
        }
        $details = $answer['details'] ?? [];
        throw new TaskManagerRefusal($status, $answer['code'], $answer['error'], $details);
    }

    /** @return array{int, string} status and body of the answer */
    private function exchange(string $method, string $path, ?array $body): array
    {
        $options = [
            CURLOPT_URL => $this->url . $path,
            CURLOPT_CUSTOMREQUEST => $method,
            // Some hosts drop the header Authorization.
            CURLOPT_HTTPHEADER => ["X-API-Key: {$this->key}", 'Content-Type: application/json'],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => $this->timeout,
        ];
        if ($body !== null) {
            $options[CURLOPT_POSTFIELDS] = json_encode($body, self::JSON_FLAGS);
        }
        curl_reset($this->curl);
        curl_setopt_array($this->curl, $options);
        $text = curl_exec($this->curl);
        if ($text === false) {
            throw new TaskManagerTrouble("no answer from {$this->url}: " . curl_error($this->curl));
        }
        return [curl_getinfo($this->curl, CURLINFO_HTTP_CODE), $text];
    }
}
