/**
 * Functions around the handling of a task, as a PHP guide shows them, to be pasted into worker.php.
 */
function processTask($task) {
    return withCallbacks(
        $task,
        function ($taskId, $result) { note("done $taskId " . json_encode($result)); },
        function ($taskId, $error) { note("error $taskId {$error->getMessage()}"); }
    );
}

function withCallbacks($task, $onComplete, $onError) {
    try {
        $result = withTrace($task);
        $onComplete($task['id'], $result);
        return $result;
    } catch (Exception $e) {
        $onError($task['id'], $e);
        throw $e;
    }
}

function withTrace($task) {
    $trace = bin2hex(random_bytes(16));
    note("[$trace] begin {$task['id']}");
    if ($task['type'] !== 'guide.wrapped') {
        throw new Exception('not this type');
    }
    return ['trace' => $trace];
}

function note($text) {
    file_put_contents(getenv('NOTES'), "$text\n", FILE_APPEND);
}
