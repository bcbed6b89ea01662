// What makes open pages live: times in the viewer's zone, parts that are kept up to date, buttons
// that ask twice. Every page works without it.
"use strict";

const SECOND = 1000;
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

function span(seconds) {
  let left = Math.round(seconds);
  const parts = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count || (unit === "s" && !parts.length)) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

// How far this computer's clock is ahead of the server's.
const serverTime = document.querySelector("meta[name=server-time]");
const ahead = serverTime ? Date.now() - Date.parse(serverTime.content) : 0;

function relative(time) {
  const seconds = (Date.now() - ahead - Date.parse(time.dateTime)) / SECOND;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function showTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const text = time.classList.contains("ago") ? relative(time) : local.format(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// Parts of the page: elements with an id and data-part. One in use is left as it is.
function isInUse(part) {
  if (part.contains(document.activeElement) && document.activeElement !== document.body) return true;
  return part.querySelector("input:checked, details[open]") !== null;
}

function update(html, isAlsoInUse = false) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  showTimes(fresh);
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.getElementById(part.id);
    if (!next || (isInUse(part) && !isAlsoInUse) || next.innerHTML === part.innerHTML) continue;
    part.replaceWith(document.adoptNode(next));
  }
  document.dispatchEvent(new Event("parts-updated"));
}

let etag = "";
let isAsking = false;

async function ask() {
  if (document.hidden || isAsking) return;
  isAsking = true;
  try {
    const headers = { "X-Live": "1", Accept: "text/html" };
    if (etag) headers["If-None-Match"] = etag;
    const response = await fetch(location.href, { headers, redirect: "manual", cache: "no-store" });
    if (response.status === 200) {
      etag = response.headers.get("ETag") || "";
      update(await response.text());
    } else if (response.type === "opaqueredirect") {
      location.reload();
    }
  } catch {
    // The server is out of reach for the moment: the next try is soon enough.
  } finally {
    isAsking = false;
  }
}

function keepLive(main) {
  const pause = Math.max(15, Number(main.dataset.live)) * SECOND;
  let last = Date.now();
  setInterval(() => {
    if (Date.now() - last >= pause && !document.hidden) {
      last = Date.now();
      ask();
    }
  }, SECOND);
}

// Without a script such a button leads to a page that asks; with one, the question comes at once.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-confirm]");
  if (!button) return;
  if (!confirm(button.dataset.confirm)) event.preventDefault();
  else button.form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "yes" }));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});

// A checkbox that checks all others of its form.
document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("input[data-all]")) {
    for (const each of document.querySelectorAll(`input[name="${box.dataset.all}"]`)) each.checked = box.checked;
  }
  if (box.matches("select[data-submit]")) box.form.requestSubmit();
});

// An action in many steps: a form that does one of them, and comes back as long as there are more.
const stop = document.querySelector("button[data-stop]");
let isStopped = false;

function nextStep() {
  const form = document.querySelector("form[data-continue]");
  if (form) form.hidden = !isStopped;
  if (stop) stop.hidden = isStopped || !form;
  return isStopped ? null : form;
}

async function doSteps() {
  let failures = 0;
  for (let form = nextStep(); form; form = nextStep()) {
    try {
      const headers = { "X-Live": "1", Accept: "text/html" };
      const body = new URLSearchParams(new FormData(form));
      // Not form.action: that is the field of this name.
      const response = await fetch(form.getAttribute("action"), { method: "POST", headers, body, redirect: "manual" });
      if (response.status !== 200) throw new Error(response.statusText);
      update(await response.text(), true);
      failures = 0;
    } catch {
      failures += 1;
      if (failures > 3) isStopped = true;
      else await new Promise((resume) => setTimeout(resume, failures * 3 * SECOND));
    }
  }
}

if (stop) {
  stop.addEventListener("click", () => { isStopped = true; });
  doSteps();
}

showTimes(document);
setInterval(() => { if (!document.hidden) showTimes(document); }, SECOND);
for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
const main = document.querySelector("main[data-live]");
if (main) keepLive(main);
