/**
 * Handlers as a PHP guide shows them, to be pasted into worker.php.
 */
function processTask($task) {
    echo "begin {$task['id']}\n";
    switch ($task['type']) {
        case 'guide.text':
            return writeText($task['params']);
        case 'guide.fetch':
            return fetchPage($task['params']);
        case 'guide.outcome':
            return outcomeOf($task['params']);
        default:
            throw new Exception("Unknown task type: {$task['type']}");
    }
}

function writeText($params) {
    if (!isset($params['topic']) || !isset($params['style'])) {
        throw new Exception("Missing required parameters");
    }
    $length = $params['length'] ?? 1000;
    $text = "A text about {$params['topic']}, {$params['style']}";
    return [
        'text' => $text,
        'words' => str_word_count($text),
        'metadata' => ['requested_length' => $length],
    ];
}

function fetchPage($params) {
    $curl = curl_init($params['url']);
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($curl, CURLOPT_CUSTOMREQUEST, $params['method'] ?? 'GET');
    $page = curl_exec($curl);
    $status = curl_getinfo($curl, CURLINFO_HTTP_CODE);
    curl_close($curl);
    if ($status >= 400) {
        throw new Exception("The page answered HTTP {$status}");
    }
    return ['page' => $page, 'status' => $status];
}

function outcomeOf($params) {
    try {
        if (!isset($params['wanted'])) {
            throw new Exception('wanted is missing');
        }
        return ['success' => true, 'data' => ['got' => $params['wanted']], 'message' => 'done'];
    } catch (Exception $e) {
        return ['success' => false, 'message' => $e->getMessage()];
    }
}
