// Filters the list of calls by words in their address or their summary.
"use strict";

const box = document.getElementById("filter");
const calls = [...document.querySelectorAll("a.call")];

function filter() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const call of calls) {
    const text = call.dataset.words.toLowerCase();
    call.hidden = !words.every((word) => text.includes(word));
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = words.length > 0 && ![...group.querySelectorAll("a.call")].some((call) => !call.hidden);
  }
  document.getElementById("none").hidden = calls.some((call) => !call.hidden);
}

box.addEventListener("input", filter);
filter();
