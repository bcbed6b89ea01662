<?php
/* A class that extends WorkerClient, as a PHP worker's guide shows it. */
require_once getenv('CLIENT');

class ChoosyClient extends WorkerClient {
    public function claimAtLeast($least) {
        $task = $this->claimTask();
        if ($task && isset($task['params']['priority']) && $task['params']['priority'] < $least) {
            $this->failTask($task['id'], 'Not urgent', null);
            return null;
        }
        return $task;
    }

    public function reportProgress($taskId, $progress) {
        echo "$taskId: $progress%\n";
    }
}

$client = new ChoosyClient(getenv('API'), 'worker-01', true, 60);
var_dump($client->checkHealth());
var_dump($client->claimAtLeast(5));
$task = $client->claimAtLeast(5);
$client->reportProgress($task['id'], 50);
$client->completeTask($task['id'], ['seen' => $task['params']['priority']]);
