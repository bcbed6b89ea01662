<?php
/* The loop of TaskManager's first README: what it claims is in `data`, failures go to /complete. */
function apiPost($path, $body) {
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => "Content-Type: application/json\r\nX-API-Key: " . getenv('TASKMANAGER_API_KEY'),
        'content' => json_encode($body),
        'ignore_errors' => true,
    ]]);
    $text = file_get_contents(getenv('TASKMANAGER_API_URL') . $path, false, $context);
    return json_decode($text, true);
}

function work($params) {
    if (isset($params['fail'])) {
        throw new Exception($params['fail']);
    }
    return ['length' => strlen($params['topic'])];
}

$me = ['worker_id' => 'worker-001'];
while (true) {
    $response = apiPost('/tasks/claim', $me + ['type_pattern' => 'Guide.Text.%']);
    if (!$response['success']) {
        usleep(50000);
        continue;
    }
    $task = $response['data'];
    try {
        $outcome = ['success' => true, 'result' => work($task['params'])];
    } catch (Exception $e) {
        $outcome = ['success' => false, 'error' => $e->getMessage()];
    }
    apiPost("/tasks/{$task['id']}/complete", $me + $outcome);
}
