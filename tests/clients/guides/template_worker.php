<?php
/*
 * A worker of the kind that templates show, on an HTTP library that resolves the address of a call
 * against the base address, as browsers do: /tasks/claim then replaces the base's path.
 */

declare(strict_types=1);

final class HttpError extends RuntimeException
{
}

function post(string $path, array $body): array
{
    preg_match('#^https?://[^/]+#', getenv('API_URL'), $origin);
    $curl = curl_init($origin[0] . $path);
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_POSTFIELDS => json_encode($body),
        CURLOPT_HTTPHEADER => [
            'Authorization: Bearer ' . getenv('API_KEY'),
            'Content-Type: application/json',
        ],
    ]);
    $text = (string) curl_exec($curl);
    $status = curl_getinfo($curl, CURLINFO_HTTP_CODE);
    if ($status >= 400) {
        throw new HttpError("HTTP $status", $status);
    }
    return json_decode($text, true);
}

function claim(): ?array
{
    try {
        return post('/tasks/claim', ['worker_id' => getenv('WORKER_ID')])['task'] ?? null;
    } catch (HttpError $error) {
        if ($error->getCode() === 404) {
            return null;
        }
        throw $error;
    }
}

function handle(array $task): array
{
    if ($task['type'] === 'task.type.1') {
        return ['got' => $task['params']['n'], 'as_parameters' => $task['parameters']['n']];
    }
    throw new RuntimeException('not today');
}

while (true) {
    $task = claim();
    if (!$task) {
        usleep(50000);
        continue;
    }
    try {
        $result = handle($task);
        post("/tasks/{$task['id']}/complete", ['result' => $result]);
    } catch (Exception $error) {
        $report = ['error' => $error->getMessage(), 'trace' => $error->getTraceAsString()];
        post("/tasks/{$task['id']}/fail", $report);
    }
}
