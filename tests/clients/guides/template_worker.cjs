/*
 * A worker of the kind that templates show: it joins addresses as text, reads `task` of a claim's
 * answer, and settles without saying who it is.
 */
"use strict";

const { API_URL, API_KEY, WORKER_ID } = process.env;

const handlers = {
  "task.type.1": ({ params, parameters }) => ({ got: params.n, as_parameters: parameters.n }),
  "task.type.2": () => {
    throw new Error("not today");
  },
};

async function post(path, body) {
  const headers = { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(`${API_URL}${path}`, options);
  if (response.ok) return response.json();
  throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
}

async function claim() {
  try {
    return (await post("/tasks/claim", { worker_id: WORKER_ID })).task;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

async function poll() {
  const task = await claim();
  if (!task) return new Promise((resolve) => setTimeout(resolve, 50));
  try {
    const result = await handlers[task.type](task);
    await post(`/tasks/${task.id}/complete`, { result });
  } catch ({ message, stack }) {
    await post(`/tasks/${task.id}/fail`, { error: message, stack });
  }
}

(async () => {
  for (;;) await poll();
})();
