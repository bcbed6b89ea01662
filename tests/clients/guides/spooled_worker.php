<?php
/*
 * A worker as Spooled's guide describes its SDK for PHP: the same calls in the same order, events
 * as lines on the output, and a graceful end on SIGTERM.
 *
 *     php spooled_worker.php QUEUE…
 */

declare(strict_types=1);

final class Refused extends RuntimeException
{
}

function call(string $path, ?array $body): array
{
    $curl = curl_init(getenv('BASE_URL') . "/api/v1/$path");
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        // Without a body it is still called JSON.
        CURLOPT_POSTFIELDS => $body === null ? '' : json_encode($body),
        CURLOPT_HTTPHEADER => [
            'Authorization: Bearer ' . getenv('SPOOLED_API_KEY'),
            'Content-Type: application/json',
            'Accept: application/json',
        ],
    ]);
    $text = (string) curl_exec($curl);
    $status = curl_getinfo($curl, CURLINFO_HTTP_CODE);
    if ($status >= 400) {
        throw new Refused("HTTP $status $text");
    }
    return $text === '' ? [] : json_decode($text, true);
}

final class Worker
{
    /** @var ?string */
    public $id;
    /** @var bool */
    public $running = true;
    /** @var string */
    private $queue;

    public function __construct(string $queue)
    {
        $this->queue = $queue;
    }

    public function start(array $options): void
    {
        $registered = call('workers/register', $options);
        $this->id = $registered['id'];
        $this->tell('started', ['queueName' => $registered['queue_name']]);
    }

    public function poll(callable $handler): void
    {
        $claim = ['queue_name' => $this->queue, 'worker_id' => $this->id, 'limit' => 10];
        $jobs = call('jobs/claim', $claim + ['lease_duration_secs' => 60])['jobs'];
        foreach ($jobs as $job) {
            $this->tell('job:claimed', ['jobId' => $job['id']]);
            $this->work($job, $handler);
        }
        call("workers/{$this->id}/heartbeat", ['current_jobs' => 0, 'status' => 'healthy']);
    }

    public function stop(): void
    {
        $this->running = false;
        call("workers/{$this->id}/deregister", null);
        $this->tell('stopped', ['reason' => 'SIGTERM']);
    }

    private function work(array $job, callable $handler): void
    {
        $held = ['worker_id' => $this->id, 'lease_id' => $job['lease_id']];
        $context = [
            'jobId' => $job['id'],
            'queueName' => $job['queue_name'],
            'payload' => $job['payload'],
            'retryCount' => $job['retry_count'],
            'maxRetries' => $job['max_retries'],
            'workerId' => $this->id,
            'progress' => function (float $percent, string $message = '') use ($job, $held): void {
                $news = ['progress' => $percent, 'message' => $message];
                call("jobs/{$job['id']}/progress", $held + $news);
            },
        ];
        call("jobs/{$job['id']}/heartbeat", $held + ['lease_duration_secs' => 60]);
        try {
            $result = $handler($context);
        } catch (Exception $error) {
            call("jobs/{$job['id']}/fail", $held + ['error' => $error->getMessage()]);
            $willRetry = $job['retry_count'] < $job['max_retries'];
            $told = ['error' => $error->getMessage(), 'willRetry' => $willRetry];
            $this->tell('job:failed', ['jobId' => $job['id']] + $told);
            return;
        }
        call("jobs/{$job['id']}/complete", $held + ['result' => $result]);
        $this->tell('job:completed', ['jobId' => $job['id'], 'result' => $result]);
    }

    private function tell(string $event, array $data): void
    {
        echo json_encode(['event' => $event, 'workerId' => $this->id] + $data), "\n";
    }
}

function handle(array $context): array
{
    $payload = $context['payload'];
    if ($context['retryCount'] < ($payload['failures'] ?? 0)) {
        throw new RuntimeException("not at retry {$context['retryCount']}/{$context['maxRetries']}");
    }
    $items = $payload['items'] ?? [];
    foreach ($items as $i => $item) {
        $context['progress'](($i + 1) / count($items) * 100, "item " . ($i + 1));
    }
    return ['processed' => count($items), 'queue' => $context['queueName']];
}

$today = fn (string $queue): array => [
    'queue_name' => $queue,
    'hostname' => gethostname(),
    'worker_type' => 'php',
    'max_concurrency' => 10,
    'metadata' => ['env' => 'production', 'region' => 'us-east-1'],
    'version' => '1.0.0',
];
$older = fn (string $queue): array => [
    'queues' => [$queue],
    'name' => gethostname(),
    'concurrency' => 10,
    'metadata' => [],
    'version' => '0.9.0',
];

$workers = [];
foreach (array_slice($argv, 1) as $queue) {
    $worker = new Worker($queue);
    $worker->start((getenv('OLDER') ? $older : $today)($queue));
    $workers[] = $worker;
}
$running = true;
pcntl_signal(SIGTERM, function () use (&$running): void {
    $running = false;
});
while ($running) {
    pcntl_signal_dispatch();
    foreach ($workers as $worker) {
        $worker->poll('handle');
    }
    usleep(50000);
}
foreach ($workers as $worker) {
    $worker->stop();
}
