<?php
/* A task type and a task by the names of a PHP worker's guide, run beside WorkerClient.php. */
require_once getenv('CLIENT');

$client = new WorkerClient(getenv('API'), 'admin');
$client->registerTaskType('guide.text', '1.0.0', [
    'type' => 'object',
    'properties' => [
        'topic' => ['type' => 'string', 'minLength' => 1],
        'style' => ['type' => 'string', 'enum' => ['formal', 'casual']],
    ],
    'required' => ['topic', 'style'],
]);
$task = $client->createTask('guide.text', ['topic' => 'Hosting', 'style' => 'casual']);
echo "#{$task['id']}\n";
try {
    $client->createTask('guide.text', ['topic' => '']);
} catch (RuntimeException $refusal) {
    echo $refusal->getMessage(), "\n";
}
