// The service worker keeps the shell and the static files, no page and no data; and, in memory, the key of the session.
let held = null;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES)).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((n) => n !== VERSION).map((n) => caches.delete(n)))).then(() => clients.claim()));
});

addEventListener("message", (event) => {
  if (event.data.keep) held = event.data.keep;
  if (event.data.forget) held = null;
  event.ports[0]?.postMessage(held);
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match(SHELL)));
  } else if (new URL(request.url).pathname.startsWith("/static/")) {
    // A module names its parts without their hash: those come from the network, and from here when there is none.
    event.respondWith(caches.match(request).then((found) => found ?? fetch(request).catch(() => caches.match(request, { ignoreSearch: true }))));
  }
});
