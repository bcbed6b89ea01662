#!/usr/bin/env node
/*
 * A worker for TaskManager on Node 18 or newer and nothing else, short enough to read before you
 * change it. Put your own handlers below, under "Handlers", and run
 *
 *     TASKMANAGER_API_URL=https://example.com/api TASKMANAGER_API_KEY=… node worker.mjs
 *
 * Options, with their environment variables and defaults; the command line wins:
 *
 *     --api-url URL          TASKMANAGER_API_URL  http://127.0.0.1:8000/api
 *     --api-key KEY          TASKMANAGER_API_KEY  (better in the environment: `ps` shows options)
 *     --worker-id NAME       WORKER_ID            host-process-random
 *     --type-pattern LIKE    TASK_TYPE_PATTERN    as in 'example.%'
 *     --task-types A,B       TASK_TYPES           all that have a handler
 *     --poll-interval SEC    POLL_INTERVAL        10
 *     --max-runs N           MAX_RUNS             0 (no end)
 *     --debug                DEBUG                log each task
 *     --until-empty                               end when nothing is left
 *
 * Without a key, the password in the address is the key: https://x:KEY@example.com/api.
 *
 * From cron, every minute, until there is nothing left to do (with the address and the key above
 * the line, as crontab allows):
 *
 *     * * * * * node $HOME/queue/worker.mjs --until-empty 2>>$HOME/queue/worker.log
 *
 * Exit codes: 0 done or stopped by SIGTERM or SIGINT (which let the task at hand finish), 1 gave up
 * after five network or server errors in a row, 2 wrong usage, 3 refused by the server (wrong key).
 */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const FAILURES_IN_A_ROW = 5; // then the worker gives up
const LONGEST_PAUSE = 60; // seconds
const LONGEST_HEARTBEAT_INTERVAL = 60; // seconds between two heartbeats, however long the lease
const CALL_TIMEOUT = 30; // seconds

// --- Handlers: add yours here --------------------------------------------------------------------
//
// A handler takes the task's params and the job, and returns the result or a promise of it. After
// an error the task is tried again later; a PermanentError fails it for good. The lease is
// extended while a handler awaits: one that computes for long should `await job.breathe()` now and
// then.

class PermanentError extends Error {}

const handlers = {
  "example.echo": ({ message, timestamp }) => ({ echoed: message, timestamp }),

  "example.uppercase": ({ text }) => {
    const result = text.toUpperCase();
    return { result, length: [...result].length };
  },

  "example.math.add": ({ a, b }) => ({ sum: a + b }),

  "example.sleep": async ({ seconds }, job) => {
    const began = performance.now();
    for (;;) {
      const slept = (performance.now() - began) / 1000;
      if (slept >= seconds) return { slept: seconds };
      const sofar = `${slept.toFixed(1)} of ${seconds} s`;
      if (job.cancelled) throw new Error(`cancelled after ${sofar}`);
      job.progress((100 * slept) / seconds, `slept ${sofar}`);
      await sleep(1000 * Math.min(0.1, seconds - slept));
    }
  },

  "example.error": ({ message = "this task always fails", permanent = false }) => {
    throw permanent ? new PermanentError(message) : new Error(message);
  },
};

// --- The API -------------------------------------------------------------------------------------

/** There was no answer from TaskManager: the same call may succeed later. */
class Trouble extends Error {}

/** TaskManager understood the call and said no. */
class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

class Api {
  constructor(url, key) {
    this.url = url.replace(/\/+$/, "");
    // Some hosts drop the header Authorization.
    this.headers = { "X-API-Key": key, "Content-Type": "application/json" };
  }

  /** The answer's `data`. Throws Trouble or Refused. */
  async call(method, path, body) {
    const [status, text] = await this.exchange(method, path, body && JSON.stringify(body));
    const answer = parsed(text);
    if (!answer) throw new Trouble(`${this.url} answered HTTP ${status}, not as TaskManager does`);
    if (answer.success) return answer.data ?? {};
    if (status >= 500 || status === 429) throw new Trouble(`HTTP ${status}: ${answer.error}`);
    throw new Refused(status, answer.code, answer.error);
  }

  async exchange(method, path, body) {
    try {
      const signal = AbortSignal.timeout(1000 * CALL_TIMEOUT);
      const { headers } = this;
      const options = { method, body, headers, signal, redirect: "manual" };
      const response = await fetch(this.url + path, options);
      return [response.status, await response.text()];
    } catch (error) {
      const reason = error.cause?.message || error.cause?.code || error.message;
      throw new Trouble(`no answer from ${this.url}: ${reason}`);
    }
  }
}

/** TaskManager's answer, or undefined for anything else, such as a proxy's page in HTML. */
function parsed(text) {
  try {
    const answer = JSON.parse(text);
    return typeof answer?.success === "boolean" ? answer : undefined;
  } catch {
    return undefined;
  }
}

// --- A claimed task ------------------------------------------------------------------------------

/** A claimed task. While its handler runs, a timer extends the lease and sends progress. */
class Job {
  constructor(task, workerId, api) {
    this.id = task.id;
    this.type = task.type;
    this.params = task.params;
    this.attempt = task.attempts;
    this.cancelled = false; // stop soon: somebody cancelled the task, or the lease is lost
    this.lost = false;
    this.identity = { worker_id: workerId, attempt: task.attempts };
    this.api = api;
    this.heartbeatInterval = Math.min(task.lease / 3, LONGEST_HEARTBEAT_INTERVAL); // seconds
    this.heartbeatAt = performance.now();
  }

  /** Notes how far the task is, 0 to 100; the timer sends the latest note within a second. */
  progress(percent, message = "") {
    this.update = { progress: percent, message };
  }

  /** Lets timers run, so that a handler that computes without a pause keeps its lease. */
  breathe() {
    return sleep(0);
  }

  /** Runs the action with the lease kept alive; the last heartbeat is over when it returns. */
  async kept(action) {
    const timer = setInterval(() => this.tick(), 1000 * Math.min(1, this.heartbeatInterval));
    try {
      return await action();
    } finally {
      clearInterval(timer);
      await this.sending;
    }
  }

  tick() {
    const isDue = performance.now() - this.heartbeatAt >= 1000 * this.heartbeatInterval;
    if (this.sending || this.lost || !(this.update || isDue)) return;
    this.heartbeatAt = performance.now();
    this.sending = this.sendHeartbeat().finally(() => (this.sending = undefined));
  }

  async sendHeartbeat() {
    const update = this.update;
    this.update = undefined;
    try {
      const path = `/tasks/${this.id}/${update ? "progress" : "heartbeat"}`;
      const answer = await this.api.call("POST", path, { ...this.identity, ...update });
      this.cancelled ||= answer.cancel_requested;
    } catch (error) {
      this.lost = error instanceof Refused;
      this.cancelled ||= this.lost;
      log(`task ${this.id}: lease ${this.lost ? "lost" : "not extended"}: ${error.message}`);
    }
  }
}

// --- The worker ----------------------------------------------------------------------------------

/** Claims, runs and settles one task at a time; the settling call claims the next. */
class Worker {
  constructor(options) {
    this.options = options;
    this.api = new Api(options.apiUrl, options.apiKey);
    this.claimOptions = { task_types: options.taskTypes, type_pattern: options.typePattern };
    this.failures = 0;
    this.claimed = this.completed = this.failed = this.lost = 0;
    this.stopping = new AbortController();
  }

  /** Works until it is to end. Throws Trouble after five failures, and Refused. */
  async run() {
    await this.insist("GET", "/health");
    log(`worker ${this.options.workerId} waits for ${JSON.stringify(this.claimOptions)}`);
    let task = await this.claim();
    while (this.goesOn() && (task || !this.options.untilEmpty)) {
      if (task) {
        task = await this.work(task);
      } else {
        await this.pause(this.options.pollInterval);
        task = await this.claim();
      }
    }
    if (task) await this.release(task);
  }

  goesOn() {
    const { maxRuns } = this.options;
    return !this.stopping.signal.aborted && (maxRuns === 0 || this.claimed < maxRuns);
  }

  /** The next task, or undefined when there is none or the worker is to end. */
  async claim() {
    const body = { worker_id: this.options.workerId, ...this.claimOptions };
    while (this.goesOn()) {
      try {
        return await this.attempt("POST", "/tasks/claim", body);
      } catch (error) {
        if (error.code === "no_tasks") return undefined;
        await this.rideOut(error);
      }
    }
    return undefined;
  }

  /** Runs the task's handler and settles it. Returns the next task if one came with that. */
  async work(task) {
    this.claimed += 1;
    this.debug(`task ${task.id}: ${task.type}, attempt ${task.attempts}`);
    const job = new Job(task, this.options.workerId, this.api);
    const [ending, report] = await job.kept(() => outcome(job));
    if (job.lost) {
      this.lost += 1;
      return this.claim();
    }
    return this.settle(job, ending, report);
  }

  async settle(job, ending, report) {
    const claim = this.goesOn() ? { claim: this.claimOptions } : {};
    let answer;
    try {
      // Sent again after trouble: settling the same attempt twice changes nothing more.
      const body = { ...job.identity, ...report, ...claim };
      answer = await this.insist("POST", `/tasks/${job.id}/${ending}`, body);
    } catch (error) {
      return this.notSettled(job, ending, error);
    }
    this.count(job, ending, report);
    return answer.tasks?.[0];
  }

  async notSettled(job, ending, error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    if ([403, 404, 409].includes(error.status) || ending === "fail") {
      log(`task ${job.id}: not settled: ${error.message}`);
      this.lost += 1;
      return this.claim();
    }
    // For example a result that is too large: another attempt would end the same way.
    const report = { error: `result refused: ${error.message}`, retry: false };
    return this.settle(job, "fail", report);
  }

  count(job, ending, report) {
    if (ending === "complete") {
      this.completed += 1;
      log(`task ${job.id}: Completed successfully`);
      if (report.result?.success === false) {
        log(`WARNING task ${job.id}: the handler returned success: false; to fail, throw an Error`);
      }
    } else {
      this.failed += 1;
      log(`ERROR task ${job.id}: Failed: ${report.error}`);
    }
  }

  /** Gives back what was claimed while the signal to stop came in. */
  async release(task) {
    const body = { worker_id: this.options.workerId, attempt: task.attempts };
    try {
      await this.api.call("POST", `/tasks/${task.id}/release`, body);
    } catch (error) {
      log(`task ${task.id}: not released, its lease will expire: ${error.message}`);
    }
  }

  /** Makes a call until it is answered. Throws Trouble after five failures in a row. */
  async insist(method, path, body) {
    for (;;) {
      try {
        return await this.attempt(method, path, body);
      } catch (error) {
        await this.rideOut(error);
      }
    }
  }

  async attempt(method, path, body) {
    const answer = await this.api.call(method, path, body);
    this.failures = 0;
    return answer;
  }

  async rideOut(error) {
    if (!(error instanceof Trouble)) throw error;
    this.failures += 1;
    if (this.failures >= FAILURES_IN_A_ROW) throw error;
    const seconds = Math.min(this.options.pollInterval * 2 ** (this.failures - 1), LONGEST_PAUSE);
    const unit = seconds === 1 ? "second" : "seconds";
    log(`${error.message}; trying again in ${seconds} ${unit}`);
    await this.pause(seconds);
  }

  /** Waits. A signal to stop ends the wait, and makes later ones short. */
  async pause(seconds) {
    const { signal } = this.stopping;
    if (signal.aborted) await sleep(1000 * Math.min(seconds, 1));
    else await sleep(1000 * seconds, undefined, { signal }).catch(() => {});
  }

  stop() {
    this.stopping.abort();
  }

  debug(text) {
    if (this.options.debug) log(text);
  }

  summary() {
    const { claimed, completed, failed, lost } = this;
    return `claimed ${claimed}, completed ${completed}, failed ${failed}, lost ${lost}`;
  }
}

/** Runs the handler: how the attempt ended, and what to report of it. */
async function outcome(job) {
  let result;
  try {
    result = await handlers[job.type](job.params, job);
  } catch (error) {
    const retry = !(error instanceof PermanentError);
    return ["fail", { error: error?.message ?? String(error), stack: error?.stack, retry }];
  }
  try {
    JSON.stringify(result);
  } catch (error) {
    return ["fail", { error: `the result is not JSON: ${error.message}`, retry: false }];
  }
  return ["complete", { result: result ?? null }];
}

function log(text) {
  console.error(`${new Date().toISOString()} ${text}`);
}

// --- The command line ----------------------------------------------------------------------------

class Usage extends Error {}

function readOptions() {
  const { env } = process;
  const given = commandLine();
  const taskTypes = names(given["task-types"] ?? env.TASK_TYPES ?? "");
  const options = {
    apiUrl: given["api-url"] || env.TASKMANAGER_API_URL || "http://127.0.0.1:8000/api",
    apiKey: given["api-key"] ?? env.TASKMANAGER_API_KEY ?? "",
    workerId: given["worker-id"] || env.WORKER_ID || newWorkerId(),
    typePattern: given["type-pattern"] || env.TASK_TYPE_PATTERN || undefined,
    taskTypes: taskTypes.length ? taskTypes : Object.keys(handlers),
    pollInterval: Number(given["poll-interval"] || env.POLL_INTERVAL || 10),
    maxRuns: Number(given["max-runs"] || env.MAX_RUNS || 0),
    debug: given.debug ?? /^(1|true|yes|on)$/i.test(env.DEBUG ?? ""),
    untilEmpty: given["until-empty"] ?? false,
  };
  check(options);
  return { ...options, ...keyAndAddress(options) };
}

/** Without a key, the password in the address is the key; fetch() takes no address with one. */
function keyAndAddress({ apiUrl, apiKey }) {
  const url = new URL(apiUrl);
  const password = decodeURIComponent(url.password);
  url.username = url.password = "";
  return { apiUrl: url.href, apiKey: apiKey || password };
}

function commandLine() {
  const texts = ["api-url", "api-key", "worker-id", "type-pattern", "task-types"];
  const numbers = ["poll-interval", "max-runs"];
  const options = { debug: { type: "boolean" }, "until-empty": { type: "boolean" } };
  for (const name of [...texts, ...numbers]) options[name] = { type: "string" };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Usage(`${error.message}; see --help`);
  }
}

function names(text) {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
}

function newWorkerId() {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
}

function check(options) {
  const { apiUrl, taskTypes, pollInterval, maxRuns } = options;
  if (!/^https?:\/\//.test(apiUrl)) {
    throw new Usage(`--api-url must begin with http:// or https://, and is ${apiUrl}`);
  }
  if (!(pollInterval > 0 && pollInterval < 86400)) {
    throw new Usage("--poll-interval must be a number of seconds, more than 0, at most a day");
  }
  if (!(Number.isInteger(maxRuns) && maxRuns >= 0)) {
    throw new Usage("--max-runs must be a whole number, 0 or more");
  }
  const missing = taskTypes.filter((name) => !Object.hasOwn(handlers, name));
  if (missing.length) throw new Usage(`there is no handler for ${missing.join(", ")}: add it`);
}

/** What the comment at the top of this file says. */
function help() {
  const [, comment] = readFileSync(new URL(import.meta.url), "utf8").split(/^\/\*\n| \*\/$/m);
  return comment.replace(/^ \* ?/gm, "");
}

async function main() {
  if (process.argv.includes("--help")) return process.stdout.write(help());
  const worker = new Worker(readOptions());
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => worker.stop());
  try {
    await worker.run();
  } finally {
    log(worker.summary());
  }
}

try {
  await main();
} catch (error) {
  const codes = [[Trouble, 1], [Usage, 2], [Refused, 3]];
  const [, code] = codes.find(([kind]) => error instanceof kind) ?? [];
  if (code === undefined) throw error;
  log(error.message);
  process.exitCode = code;
}
