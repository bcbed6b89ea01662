"""The page of the progress: the steps of the plan, how far they are, and what to do when one
failed. A script goes on from step to step; without it, a button does.
"""

from __future__ import annotations

from html import escape

from app.install.versions import version_of
from installer.checks import FAILED, PASSED
from installer.checks_page import sentence_of_serving, serving
from installer.html import error_box, page
from installer.plans import PLANS, STEP_TITLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.install.installation import Installation
    from installer.html import Visit
    from installer.journal import Journal
    from installer.steps import Run

# While a plan is carried out, and when it failed.
TITLES = {
    "install": ("Installing TaskManager", "The installation stopped"),
    "upgrade": ("Upgrading TaskManager", "The upgrade failed"),
    "back": ("Going back", "Going back failed"),
}

WORDS = {PASSED: "done", FAILED: "failed", "waiting": "", "now": "now"}

# Sends the form of the next step again and again, and shows how far the steps are.
SCRIPT = """
(function () {
  var form = document.getElementById("work");
  if (!form) return;
  var bar = document.getElementById("bar"), text = document.getElementById("now");
  var rows = document.querySelectorAll("ol.steps li");
  var serving = document.getElementById("serving");
  var button = form.querySelector("button"), troubles = 0;
  var here = form.getAttribute("action");
  button.hidden = true;
  function again(pause) { setTimeout(work, pause); }
  function show(state) {
    bar.value = state.percent;
    text.textContent = state.text;
    if (serving) serving.textContent = state.serving;
    state.steps.forEach(function (step, number) {
      var row = rows[number];
      if (!row) return;
      row.querySelector("span").className = step.state;
      row.querySelector("span").textContent = step.word;
      row.querySelector("i").textContent = step.detail;
    });
  }
  function work() {
    fetch(here, {method: "POST", headers: {Accept: "application/json"},
      body: new URLSearchParams(new FormData(form))
    }).then(function (response) { return response.json(); }).then(function (state) {
      troubles = 0;
      show(state);
      if (state.again) again(state.pause); else location.replace(here);
    }).catch(function () {
      troubles += 1;
      if (troubles < 6) again(1000 * troubles); else button.hidden = false;
    });
  }
  work();
})();
"""


def progress_page(visit: Visit, installation: Installation, journal: Journal) -> dict[str, Any]:
    failure = journal.failure.get("sentence", "")
    title = TITLES.get(journal.plan, TITLES["install"])[1 if failure else 0]
    buttons = (
        failure_buttons(visit, installation, journal)
        if failure
        else visit.form("work", "Continue", extra='id="work"')
    )
    body = (
        f"{serving(installation)}{error_box(failure) if failure else progress_bar(journal)}"
        f'<div class="buttons">{buttons}</div>{step_list(journal)}'
    )
    # After a failure a person decides, not the script.
    return page(title, body, script="" if failure else SCRIPT)


def failure_buttons(visit: Visit, installation: Installation, journal: Journal) -> str:
    buttons = visit.form("work", "Try again")
    if journal.plan != "back":
        buttons += visit.quiet_form("over", "Start over")
    if installation.is_installed and journal.before:
        buttons += visit.quiet_form("cancel", f"Keep version {version_of(installation.current)}")
    if is_new_database(journal):
        buttons += visit.quiet_form("other", "Use another database")
    return buttons


def is_new_database(journal: Journal) -> bool:
    """Whether the settings of the database were made by this very installation."""
    return journal.plan == "install" and not journal.before and journal.is_done("database")


def progress_bar(journal: Journal) -> str:
    percent, _ = journal.progress()
    return (
        f'<label for="bar" id="now" class="dim" aria-live="polite">{escape(doing(journal))}</label>'
        f'<progress id="bar" max="100" value="{percent}">{percent} %</progress>'
    )


def doing(journal: Journal) -> str:
    """What is being done now."""
    name = journal.next()
    return f"{STEP_TITLES[name]} {journal.progress()[1]}".strip() if name else ""


def step_list(journal: Journal) -> str:
    names = PLANS.get(journal.plan, [])
    rows = "".join(
        f'<li><span class="{row["state"]}">{row["word"]}</span>'
        f"<div>{number}. <b>{STEP_TITLES[name]}</b> <i>{escape(row['detail'])}</i></div></li>"
        for number, (name, row) in enumerate(zip(names, step_states(journal)), 1)
    )
    return f'<ol class="steps">{rows}</ol>'


def step_states(journal: Journal) -> list[dict[str, str]]:
    """Each step of the plan: its state, the word for it, what it says."""
    current = journal.failure.get("step") or journal.next()
    rows = []
    for name in PLANS.get(journal.plan, []):
        state = PASSED if journal.is_done(name) else "waiting"
        if name == current:
            state = FAILED if journal.failure else "now"
        rows.append({"state": state, "word": WORDS[state], "detail": journal.detail(name)})
    return rows


def progress_data(run: Run, pause: int) -> dict[str, Any]:
    """The same for the page's script, which asks again after so many milliseconds."""
    journal = run.journal
    goes_on = not (journal.next() is None or journal.failure or run.needs_input())
    state = {
        "percent": journal.progress()[0],
        "text": doing(journal),
        "again": goes_on,
        "pause": pause,
        "steps": step_states(journal),
        "serving": sentence_of_serving(run.installation),
    }
    return {"status": 200, "data": state}
