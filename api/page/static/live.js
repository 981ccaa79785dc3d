// Follow the survey's events, and show the page as it is now when a release was published: only what is in <main> is
// exchanged, so that nothing jumps. Without this script, or without a connection, the page stays as it was loaded.
"use strict";
(() => {
  // Of pages that do not fit beside each other, the one that is shown is in sight.
  const seen = () => document.querySelector(".tabs.second [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  seen();
  const said = document.getElementById("live");
  const { stream, question } = document.body.dataset;
  if (!stream || !said || !window.EventSource) return;
  let source = null;
  let last = null; // id of the last event
  let lost = false;
  let busy = false;
  let again = false;

  const concerns = (event) => {
    last = event.lastEventId || last;
    const about = JSON.parse(event.data).question;
    if (!question || !about || about === question) refresh();
  };

  const connect = () => {
    if (source || document.hidden) return;
    source = new EventSource(last === null ? stream : `${stream}?after=${encodeURIComponent(last)}`);
    source.addEventListener("ready", (event) => { last = event.lastEventId || last; });
    source.addEventListener("release", concerns);
    source.addEventListener("question", concerns);
    source.addEventListener("open", () => { if (!said.textContent || lost) say("Live", false); });
    source.addEventListener("error", () => {
      // The browser connects again by itself, unless it was refused: then what was missed is not known.
      say("Not connected", true);
      if (source && source.readyState === EventSource.CLOSED) {
        disconnect();
        last = null;
        later();
      }
    });
  };

  const say = (text, isLost) => {
    lost = isLost;
    said.textContent = text;
  };

  // As often as it takes; who has signed out, or may not see it any more, is told so and asks no more.
  const later = () => setTimeout(async () => {
    const status = await refresh();
    if (status === 401 || status === 403 || status === 404) say("Signed out: load the page again", true);
    else if (status === 200) connect();
    else later();
  }, 15000);

  const disconnect = () => {
    if (source) source.close();
    source = null;
  };

  const refresh = async () => {
    if (busy) { again = true; return 0; }
    busy = true;
    let status = 0;
    try {
      const reply = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-cache" });
      status = reply.status;
      if (reply.ok) exchange(new DOMParser().parseFromString(await reply.text(), "text/html"));
    } catch { /* offline: the next connection tries again */ }
    busy = false;
    if (again) { again = false; return refresh(); }
    return status;
  };

  const exchange = (fresh) => {
    const before = document.querySelector("main");
    const after = fresh.querySelector("main");
    if (!after || after.dataset.version === before.dataset.version) return;
    const focus = pathTo(document.activeElement, before);
    const opened = [...before.querySelectorAll("details")].map((one) => one.open);
    const chosen = [...before.querySelectorAll("select[id], input[id]")].map((one) => [one.id, one.value]);
    before.replaceWith(document.importNode(after, true));
    const now = document.querySelector("main");
    document.title = fresh.title;
    seen();
    now.querySelectorAll("details").forEach((one, at) => { one.open = opened[at] ?? one.open; });
    for (const [id, value] of chosen) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    const target = follow(focus, now);
    if (target) target.focus({ preventScroll: true });
    said.textContent = now.dataset.announcement || "Updated.";
    said.classList.add("new");
    setTimeout(() => said.classList.remove("new"), 6000);
  };

  // Where something is in <main>, as places among siblings: null if it is elsewhere.
  const pathTo = (node, top) => {
    if (!node || !top.contains(node)) return null;
    const path = [];
    for (; node !== top; node = node.parentElement) path.unshift([...node.parentElement.children].indexOf(node));
    return path;
  };
  const follow = (path, top) => path && path.reduce((node, at) => node && node.children[at], top);

  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", connect);
  connect();
})();
