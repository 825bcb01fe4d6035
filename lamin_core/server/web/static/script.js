// What the pages do beyond links and forms: keys, type-ahead, copying, local times, and looking again when a run changes.
"use strict";

const search = document.querySelector('header input[type="search"]');
let row = -1;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
}

function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const block of root.querySelectorAll(".code")) {
    if (block.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    block.append(button);
  }
}

function moveRow(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  rows.forEach((item) => item.classList.remove("on"));
  row = Math.min(rows.length - 1, Math.max(0, row + step));
  rows[row].classList.add("on");
  const link = rows[row].querySelector("a");
  if (link) link.focus();
  rows[row].scrollIntoView({ block: "nearest" });
}

const LINEAGE_KEYS = {
  "← →": "lineage: up and down along a link", "↑ ↓": "lineage: the next box of the column",
  "e": "lineage: expand the box, or fold it", "u": "lineage: further up", "d": "lineage: further down",
  "+ − 0": "lineage: larger, smaller, fit", "f": "lineage: find in the drawing",
};

function help() {
  let dialog = document.querySelector("dialog");
  if (!dialog) {
    dialog = document.createElement("dialog");
    const lines = { "/": "search", j: "next row", k: "row before", Enter: "open it", "?": "this help", Escape: "close" };
    if (document.querySelector(".lineage-view")) Object.assign(lines, LINEAGE_KEYS);
    const list = document.createElement("dl");
    for (const [key, meaning] of Object.entries(lines)) {
      const name = document.createElement("dt"), text = document.createElement("dd");
      name.textContent = key;
      text.textContent = meaning;
      list.append(name, text);
    }
    dialog.setAttribute("aria-label", "Keys");
    dialog.append(list);
    document.body.append(dialog);
  }
  if (dialog.open) dialog.close(); else dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping) return;
  if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
  else if (event.key === "j") moveRow(1);
  else if (event.key === "k") moveRow(-1);
  else if (event.key === "?") help();
});

// Type-ahead: the first results below the field; a newer question makes an older answer void.
let asked = 0, waiting = 0;
function suggest(results) {
  const old = document.querySelector(".suggest");
  if (old) old.remove();
  if (!results.length) return;
  const list = document.createElement("ul");
  list.className = "suggest";
  for (const result of results) {
    const item = document.createElement("li"), link = document.createElement("a"), kind = document.createElement("span");
    link.href = result.path;
    link.textContent = result.name + " ";
    kind.className = "kind";
    kind.textContent = result.kind;
    link.append(kind);
    item.append(link);
    list.append(item);
  }
  search.form.append(list);
}
if (search) {
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    const question = ++asked, text = search.value.trim();
    if (text.length < 2) { suggest([]); return; }
    waiting = setTimeout(async () => {
      const answer = await fetch("/search.json?limit=8&q=" + encodeURIComponent(text));
      if (answer.ok && question === asked) suggest((await answer.json()).results);
    }, 150);
  });
  document.addEventListener("click", (event) => { if (!event.target.closest("header form")) suggest([]); });
  search.addEventListener("keydown", (event) => {
    const links = [...document.querySelectorAll(".suggest a")];
    if (event.key === "Escape") suggest([]);
    if (event.key === "ArrowDown" && links.length) { event.preventDefault(); links[0].focus(); }
  });
  document.addEventListener("keydown", (event) => {
    const links = [...document.querySelectorAll(".suggest a")], index = links.indexOf(document.activeElement);
    if (index < 0) return;
    if (event.key === "ArrowDown") { event.preventDefault(); links[Math.min(links.length - 1, index + 1)].focus(); }
    if (event.key === "ArrowUp") { event.preventDefault(); (index ? links[index - 1] : search).focus(); }
    if (event.key === "Escape") { suggest([]); search.focus(); }
  });
}

// Live: the server says that a run changed, at most once a second, and the parts that are live are fetched again.
// A server that takes long to answer is asked less often.
const PACE = 3, LONGEST = 30000;
const sources = new WeakMap();
let changes = null, stopping = null, newest = "", refresh = 0, isFetching = false, isOutdated = false, spent = 0;
for (const part of document.querySelectorAll("[data-live]")) sources.set(part, part.outerHTML);
function renew(part, renewed) {
  const source = renewed.outerHTML;
  // What is the same stays: the selection, the drawing, and where the pointer is.
  if (sources.get(part) === source) return;
  const open = new Set([...part.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
  sources.set(renewed, source);
  localTimes(renewed);
  part.replaceWith(renewed);
  for (const summary of renewed.querySelectorAll("summary")) summary.parentElement.open = open.has(summary.textContent);
  copyButtons(renewed);
}
async function lookAgain() {
  refresh = 0;
  isFetching = true;
  const url = location.href, begun = performance.now();
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html", "Lamin-Change": newest } });
    const text = await answer.text();
    if (!answer.ok || answer.redirected || url !== location.href) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const renewed = page.querySelector('[data-live="' + part.dataset.live + '"]');
      // Not under the hands of somebody who is filling in a form there.
      if (renewed && !part.querySelector("input:focus")) renew(part, renewed);
    }
  } catch {
    // The server is away; the stream says when it is back.
  } finally {
    spent = performance.now() - begun;
    isFetching = false;
    if (isOutdated) planRefresh();
    isOutdated = false;
  }
}
function planRefresh() {
  if (isFetching) isOutdated = true;
  else if (!refresh) refresh = setTimeout(lookAgain, Math.min(LONGEST, PACE * spent));
}
// A browser opens six connections to a server for all of its tabs: one visible tab listens, and tells the others.
const stream = document.body.dataset.stream;
const channel = stream && window.BroadcastChannel ? new BroadcastChannel("lamin " + stream) : null;
function onChange(id) { newest = id; planRefresh(); }
function openStream(stop) {
  changes = new EventSource(newest ? stream + "&lastEventId=" + newest : stream);
  changes.addEventListener("run", (event) => {
    onChange(event.lastEventId);
    if (channel) channel.postMessage(event.lastEventId);
  });
  return new Promise((done) => stop.addEventListener("abort", () => { changes.close(); changes = null; done(); }));
}
function listen() {
  if (!stream || !document.querySelector("[data-live]")) return;
  if (document.hidden) {
    if (stopping) stopping.abort();
    stopping = null;
  } else if (!stopping) {
    stopping = new AbortController();
    const signal = stopping.signal, begun = performance.now();
    // Locks are not for pages from other hosts without TLS: there each visible tab listens by itself.
    if (!channel || !navigator.locks) { openStream(signal); return; }
    navigator.locks.request("lamin " + stream, { signal }, () => {
      if (signal.aborted) return undefined;
      // The tab that listened before may have missed a change while it closed.
      if (performance.now() - begun > 500) planRefresh();
      return openStream(signal);
    }).catch((error) => { if (error.name !== "AbortError") throw error; });
  }
}
if (channel) channel.addEventListener("message", (event) => { if (stopping && !changes) onChange(event.data); });
document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden && stopping) { newest = ""; planRefresh(); } });

document.addEventListener("lamin:part", (event) => { localTimes(event.detail); copyButtons(event.detail); });

localTimes(document);
copyButtons(document);
listen();
