// Keeps a page up to date, and gives it keys. Without this script every page works as links and forms.
"use strict";

const least = 1000; // ms between two updates
let known = null;
let stream = null;
let updated = 0;
let waiting = null;
let wanted = false;
let seen = Date.now();

function isBusy() {
  const active = document.activeElement;
  const typing = active && ["INPUT", "SELECT", "TEXTAREA"].includes(active.tagName);
  const open = document.querySelector("main details[open], dialog[open]");
  return document.hidden || typing || open || !document.getSelection().isCollapsed;
}

// Form tokens and ids of acts differ each time a page is made; they are nothing that a person sees.
function shownIn(main) {
  return main.innerHTML.replace(/(name="(?:form_token|bulk_act|until)" value=")[^"]*/g, "$1");
}

function setStale(away) {
  const note = document.getElementById("stale");
  if (!note) return;
  if (away) note.querySelector("b").textContent = new Date(seen).toLocaleTimeString(document.documentElement.lang);
  note.hidden = !away;
}

// Updates at once, or as soon as a second has passed since the last time, or the person has ended what they do.
function update() {
  wanted = true;
  if (waiting || isBusy()) return;
  waiting = setTimeout(refresh, Math.max(0, updated + least - Date.now()));
}

async function refresh() {
  waiting = null;
  const main = document.querySelector("main[data-live]");
  if (!main || isBusy()) return;
  wanted = false;
  updated = Date.now();
  try {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html", "X-Live": "1" },
      credentials: "same-origin",
    });
    if (answer.redirected) return location.reload(); // the session has ended
    if (!answer.ok) return setStale(true);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.querySelector("main");
    if (!next) return setStale(true);
    seen = Date.now();
    setStale(false);
    if (isBusy()) { wanted = true; return; }
    if (shownIn(next) === known) return;
    known = shownIn(next);
    show(main, next);
  } catch {
    setStale(true); // the old content stays until the server is back
  }
}

function show(main, next) {
  const focused = document.activeElement && document.activeElement.getAttribute("href");
  const live = next.getAttribute("data-live");
  const told = main.querySelector(".done");
  main.replaceChildren(...next.childNodes);
  if (told && !main.querySelector(".done")) main.querySelector("h1")?.after(told);
  if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  if (live === null) {
    main.removeAttribute("data-live");
    listen();
    const lead = main.querySelector(".lead");
    if (lead) document.getElementById("status").textContent = lead.textContent.trim();
  }
}

// One stream a page that is looked at; none while it is hidden, so that tabs do not use up the connections.
function listen() {
  const main = document.querySelector("main[data-live]");
  if (!main || document.hidden) {
    stream?.close();
    stream = null;
    return;
  }
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource(main.dataset.live);
  stream.addEventListener("changed", update);
  stream.addEventListener("away", () => setStale(true));
  stream.addEventListener("ended", () => location.reload());
  stream.addEventListener("open", update);
  stream.addEventListener("error", () => setStale(true));
}

document.addEventListener("visibilitychange", listen);
for (const name of ["focusout", "toggle", "selectionchange", "close"]) {
  document.addEventListener(name, () => { if (wanted) update(); }, true);
}
setInterval(listen, 5000); // a stream that the browser has given up, and a page that was busy
listen();

// What was done is told once, not again when the page is loaded later.
if (/[?&]done=/.test(location.search)) history.replaceState(null, "", location.pathname);

// Files go up with their progress. A proxy that refuses a large one answers with a page of its own.
for (const form of document.querySelectorAll("form[data-too-large]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const bar = document.createElement("progress");
    const text = document.createElement("span");
    bar.setAttribute("aria-label", form.dataset.progress || "");
    const request = new XMLHttpRequest();
    request.open("POST", form.getAttribute("action") || location.href);
    request.upload.addEventListener("progress", (now) => {
      if (!now.lengthComputable) return;
      bar.max = now.total;
      bar.value = now.loaded;
      text.textContent = ` ${Math.floor((100 * now.loaded) / now.total)} % ${form.dataset.progress || ""}`;
    });
    request.addEventListener("load", () => {
      if (request.status === 413 && !request.responseText.includes("<main")) {
        return showProblem(form, form.dataset.tooLarge);
      }
      if (request.status < 400 && request.responseURL !== new URL(form.action || location.href, location.href).href) {
        return location.assign(request.responseURL);
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const main = page.querySelector("main");
      if (!main) return showProblem(form, String(request.status));
      document.querySelector("main").replaceChildren(...main.childNodes);
      document.querySelector("main").focus();
    });
    request.addEventListener("error", () => setStale(true));
    request.addEventListener("loadend", () => { button.disabled = false; bar.remove(); text.remove(); });
    button.disabled = true;
    button.after(bar, text);
    request.send(new FormData(form));
  });
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    const input = form.querySelector("input[type=file]");
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });
}

function showProblem(form, text) {
  let problem = form.querySelector(".wrong");
  if (!problem) {
    problem = document.createElement("p");
    problem.className = "wrong";
    problem.setAttribute("role", "alert");
    form.prepend(problem);
  }
  problem.textContent = text;
}

// `/` searches, `g` and a letter goes to a page, j and k go through the rows, Enter opens one, `?` lists the keys.
const keys = document.getElementById("keys");
const shower = document.getElementById("show-keys");
if (keys && shower) {
  shower.hidden = false;
  shower.addEventListener("click", () => keys.showModal());
}
let going = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keys?.open) return;
  if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
  const search = document.getElementById("q");
  if (going) {
    going = false;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
  } else if (event.key === "/" && search) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "?" && keys) {
    event.preventDefault();
    keys.showModal();
  } else if (event.key === "g") {
    going = true;
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("main tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);
    const at = links.indexOf(document.activeElement);
    const next = links[Math.min(links.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    if (next) { event.preventDefault(); next.focus(); }
  }
});
