<?php
/*
 * A form in plain HTML that adds a task and shows what becomes of it, without JavaScript. Put it
 * with TaskManagerClient.php into a web folder, and what is secret into a file taskmanager.php one
 * level above that, where no browser gets to:
 *
 *     <?php return ['url' => 'https://example.com/api', 'key' => '…'];
 *
 * (TASKMANAGER_API_URL and TASKMANAGER_API_KEY of the environment win over it.) The form makes
 * tasks of the type example.uppercase; change TASK_TYPE, the form and `params` for your own. A
 * worker does them, from cron for example:
 *
 *     * * * * * php $HOME/queue/worker.php --until-empty 2>>$HOME/queue/worker.log
 *
 * It asks nobody for a password: whoever opens the page may add tasks.
 */

declare(strict_types=1);

require __DIR__ . '/TaskManagerClient.php';

const TASK_TYPE = 'example.uppercase';
const SETTINGS_FILE = __DIR__ . '/../taskmanager.php';
const CALL_TIMEOUT = 10; // seconds a visitor is kept waiting
const REFRESH = 2; // seconds between two looks at an unfinished task

function main(): void
{
    startSession();
    try {
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            addTask();
        } elseif (isset($_GET['task'])) {
            showTask((int) $_GET['task']);
        } else {
            showForm(200);
        }
    } catch (TaskManagerTrouble $trouble) {
        error_log("TaskManager: {$trouble->getMessage()}");
        showForm(503, ['The queue does not answer just now. Please try again in a minute.']);
    } catch (TaskManagerRefusal $refusal) {
        // For example a wrong key: nothing that a visitor could do anything about.
        error_log("TaskManager: {$refusal->getMessage()}");
        showForm(500, ['The queue is not set up rightly. Its owner finds the reason in the log.']);
    }
}

// --- What the page does --------------------------------------------------------------------------

function addTask(): void
{
    if (!is_string($_POST['token'] ?? null) || !hash_equals(token(), $_POST['token'])) {
        showForm(403, ['This form was open for too long, or came from elsewhere. Send it again.']);
        return;
    }
    try {
        $task = createOnce(params());
    } catch (TaskManagerRefusal $refusal) {
        if ($refusal->errorCode !== 'validation_failed') {
            throw $refusal;
        }
        showForm(400, array_column($refusal->details, 'message') ?: [$refusal->getMessage()]);
        return;
    }
    $_SESSION['tasks'][$task['id']] = true;
    // A redirect, so that reloading the page sends nothing again.
    header('Location: ?task=' . $task['id'], true, 303);
}

function params(): array
{
    return ['text' => is_string($_POST['text'] ?? null) ? $_POST['text'] : ''];
}

/** The same form sent twice makes one task: each page gets a key of its own. */
function createOnce(array $params): array
{
    $once = is_string($_POST['once'] ?? null) ? $_POST['once'] : '';
    $more = ['dedupe_key' => 'form-' . hash('sha256', token() . $once)];
    try {
        return client()->createTask(TASK_TYPE, $params, $more);
    } catch (TaskManagerTrouble $trouble) {
        return client()->createTask(TASK_TYPE, $params, $more);
    } catch (JsonException $reason) {
        $details = [['path' => 'params', 'message' => 'Please send text in UTF-8.']];
        throw new TaskManagerRefusal(400, 'validation_failed', $reason->getMessage(), $details);
    }
}

/** Shows a task only to its own visitor: ids can be guessed. */
function showTask(int $id): void
{
    if (!isset($_SESSION['tasks'][$id])) {
        showForm(404, ['There is no such task of yours.']);
        return;
    }
    $task = client()->getTask($id);
    page(200, taskHtml($task), isDone($task) ? 0 : REFRESH);
}

function isDone(array $task): bool
{
    return in_array($task['status'], ['completed', 'failed', 'cancelled'], true);
}

function showForm(int $status, array $errors = []): void
{
    page($status, errorsHtml($errors) . formHtml());
}

function client(): TaskManagerClient
{
    $settings = is_file(SETTINGS_FILE) ? require SETTINGS_FILE : [];
    return new TaskManagerClient(
        getenv('TASKMANAGER_API_URL') ?: ($settings['url'] ?? 'http://127.0.0.1:8000/api'),
        getenv('TASKMANAGER_API_KEY') ?: ($settings['key'] ?? ''),
        CALL_TIMEOUT
    );
}

function startSession(): void
{
    session_start([
        'use_strict_mode' => true,
        'cookie_httponly' => true,
        'cookie_samesite' => 'Lax',
        'cookie_secure' => !in_array($_SERVER['HTTPS'] ?? '', ['', 'off'], true),
    ]);
}

/** What only this visitor's pages know, so that no other site can send the form for them. */
function token(): string
{
    return $_SESSION['token'] = $_SESSION['token'] ?? bin2hex(random_bytes(16));
}

// --- What it shows -------------------------------------------------------------------------------

/** Any text as HTML that shows it and does nothing else. */
function h(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function formHtml(): string
{
    $token = h(token());
    $once = bin2hex(random_bytes(8));
    $text = h(params()['text']);
    return <<<HTML
        <form method="post" action="?">
          <input type="hidden" name="token" value="$token">
          <input type="hidden" name="once" value="$once">
          <label for="text">Text to be put in capitals</label>
          <textarea id="text" name="text" rows="4" required>$text</textarea>
          <button>Add the task</button>
        </form>
        HTML;
}

function errorsHtml(array $errors): string
{
    $items = implode('', array_map(function (string $error): string {
        return '<li>' . h($error) . '</li>';
    }, $errors));
    return $items === '' ? '' : "<ul class=\"errors\" role=\"alert\">$items</ul>";
}

function taskHtml(array $task): string
{
    $rows = ['Status' => $task['status'], 'Text' => $task['params']['text']];
    if ($task['status'] === 'completed') {
        $rows['Result'] = $task['result']['result'] ?? '';
    } elseif ($task['error_message'] !== null) {
        $rows['Last error'] = $task['error_message'];
    }
    $html = '';
    foreach ($rows as $name => $value) {
        $html .= "<dt>$name</dt><dd>" . h((string) $value) . '</dd>';
    }
    $note = isDone($task) ? '' : '<p>This page looks again by itself, until the task is done.</p>';
    return "<h2>Task {$task['id']}</h2><dl>$html</dl>$note<p><a href=\"?\">Add another one</a></p>";
}

/** Sends the whole page; with `$refresh`, the browser loads it again after as many seconds. */
function page(int $status, string $content, int $refresh = 0): void
{
    $nonce = base64_encode(random_bytes(12));
    http_response_code($status);
    header('Content-Type: text/html; charset=utf-8');
    header('Cache-Control: no-store');
    header('X-Content-Type-Options: nosniff');
    header("Content-Security-Policy: default-src 'none'; style-src 'nonce-$nonce'; "
        . "form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    $reload = $refresh ? "<meta http-equiv=\"refresh\" content=\"$refresh\">" : '';
    echo <<<HTML
        <!DOCTYPE html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        $reload
        <title>Capitals</title>
        <style nonce="$nonce">
          body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto;
                 padding: 0 1rem; color: #223; background: #f4f5f8; }
          form, dl { background: #fff; border: 1px solid #d5d8e0; border-radius: 8px;
                     padding: 1rem 1.25rem; }
          label, textarea, button { display: block; font: inherit; margin-bottom: .75rem; }
          textarea { box-sizing: border-box; width: 100%; padding: .5rem; border-radius: 4px;
                     border: 1px solid #889; }
          button { padding: .5rem 1.25rem; border: 0; border-radius: 4px; margin: 0;
                   color: #fff; background: #2450a8; cursor: pointer; }
          a { color: #2450a8; }
          dt { font-size: .875rem; color: #556; }
          dd { margin: 0 0 .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
          .errors { padding: .5rem 2rem; border-left: 4px solid #b00; background: #fdecec; }
        </style>
        <h1>Capitals</h1>
        $content
        </html>
        HTML;
}

main();
