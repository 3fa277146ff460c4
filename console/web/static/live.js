// Keeps a page up to date, and gives it keys. Without this script every page works as links and forms.
"use strict";

const every = 2000;
let known = null;

function isBusy() {
  const active = document.activeElement;
  const typing = active && ["INPUT", "SELECT", "TEXTAREA"].includes(active.tagName);
  const open = document.querySelector("main details[open]");
  return document.hidden || typing || open || !document.getSelection().isCollapsed;
}

// Form tokens differ each time a page is made; they are nothing that a person sees.
function shownIn(main) {
  return main.innerHTML.replace(/(name="form_token" value=")[0-9a-f]*/g, "$1");
}

async function refresh() {
  const main = document.querySelector("main[data-live]");
  if (!main || isBusy()) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (answer.redirected) return location.reload(); // the session has ended
    if (!answer.ok || isBusy()) return;
    const text = await answer.text();
    const page = new DOMParser().parseFromString(text, "text/html");
    const next = page.querySelector("main");
    if (!next || shownIn(next) === known) return;
    known = shownIn(next);
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    main.replaceChildren(...next.childNodes);
    if (!next.hasAttribute("data-live")) main.removeAttribute("data-live");
    if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    const lead = main.querySelector(".lead");
    if (!main.hasAttribute("data-live") && lead) document.getElementById("status").textContent = lead.textContent;
  } catch {
    // The server is away: the old content stays until it is back.
  }
}

setInterval(refresh, every);
document.addEventListener("visibilitychange", refresh);

// `/` searches, `g` and a letter goes to a page, j and k go through the rows, Enter opens one.
let going = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const tag = event.target.tagName;
  if (["INPUT", "SELECT", "TEXTAREA"].includes(tag)) return;
  const search = document.getElementById("q");
  if (going) {
    going = false;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
  } else if (event.key === "/" && search) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "g") {
    going = true;
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("main tbody tr a")];
    const at = links.indexOf(document.activeElement);
    const next = links[Math.min(links.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    if (next) { event.preventDefault(); next.focus(); }
  }
});
