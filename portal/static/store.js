// The device's store: drafts, an outbox and the own doors, encrypted with a key that lives in memory only.
// The server derives the key for whoever is signed in. After a reload without network the service worker, which outlives the
// page, still has it; when that is gone too, what lies here stays closed until somebody signs in again.
const NAME = "onefact";
const TABLES = ["outbox", "drafts", "pack"];
let session = null;

function opened() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => TABLES.forEach((t) => asked.result.createObjectStore(t, { keyPath: "id" }));
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function within(table, mode, work) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(table, mode);
      const asked = work(transaction.objectStore(table));
      transaction.oncomplete = () => resolve(asked?.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

const put = (table, row) => within(table, "readwrite", (s) => s.put(row));
const remove = (table, id) => within(table, "readwrite", (s) => s.delete(id));
const all = (table) => within(table, "readonly", (s) => s.getAll());
const get = (table, id) => within(table, "readonly", (s) => s.get(id));

function worker(message) {
  const active = navigator.serviceWorker?.controller;
  if (!active) return Promise.resolve(null);
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    const late = setTimeout(() => resolve(null), 1500);
    channel.port1.onmessage = (event) => { clearTimeout(late); resolve(event.data); };
    active.postMessage(message, [channel.port2]);
  });
}

/** Return {key, account, csrf} of whoever is signed in; null when nobody can be asked. */
export async function unlocked(fresh = false) {
  if (session && !fresh) return session;
  try {
    const answer = await fetch("/device/key", { headers: { Accept: "application/json" }, redirect: "error" });
    if (!answer.ok) return null;
    const { key, account, csrf } = await answer.json();
    const raw = Uint8Array.from(atob(key), (c) => c.charCodeAt(0));
    session = { key: await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]), account, csrf };
    raw.fill(0);
    await worker({ keep: session });
  } catch {
    session = session ?? await worker({ give: true });
  }
  return session;
}

const bytes = new TextEncoder();

async function seal(content) {
  const { key, account } = await unlocked();
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: bytes.encode(account) }, key, bytes.encode(JSON.stringify(content)));
  return { iv, sealed, account };
}

async function unseal(row) {
  const held = await unlocked();
  if (!held || !row || row.account !== held.account) return null;
  const open = await crypto.subtle.decrypt({ name: "AES-GCM", iv: row.iv, additionalData: bytes.encode(row.account) }, held.key, row.sealed);
  return JSON.parse(new TextDecoder().decode(open));
}

/** Put an act into the outbox; it is safe once this returns. `act` is {kind, facts}, `title` what it is called. */
export async function queue(act, title, id = crypto.randomUUID()) {
  await put("outbox", { id, state: "waiting", at: Date.now(), why: "", receipt: "", ...await seal({ ...act, act_id: id, title }) });
  navigator.storage?.persist?.();
  dispatchEvent(new CustomEvent("outbox"));
  return id;
}

/** Return the outbox, oldest first; `title` is null where the key is not here. */
export async function queued() {
  const rows = (await all("outbox")).sort((a, b) => a.at - b.at);
  return Promise.all(rows.map(async (row) => {
    const open = await unseal(row).catch(() => null);
    return { id: row.id, state: row.state, why: row.why, receipt: row.receipt, where: row.where, at: row.at, title: open?.title ?? null, act: open };
  }));
}

const base64 = (buffer) => btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(""));

/** Return what the server has not taken as a file, encrypted as it lies here, or null when there is nothing. */
export async function exported() {
  const rows = (await all("outbox")).filter((row) => row.state !== "taken");
  if (!rows.length) return null;
  const items = rows.map((row) => ({ account: row.account, iv: base64(row.iv), sealed: base64(row.sealed) }));
  return new Blob([JSON.stringify({ onefact: "outbox-1", at: new Date().toISOString(), items })], { type: "application/json" });
}

export const forget = async (id) => { await remove("outbox", id); dispatchEvent(new CustomEvent("outbox")); };

let flushing = null;

/** Send what waits, one by one; what the server has taken before it knows by the id. */
export function flush() {
  flushing ??= sendAll().finally(() => { flushing = null; });
  return flushing;
}

async function sendAll() {
  const held = await unlocked(true).catch(() => null);
  if (!held?.csrf || !navigator.onLine) return;
  for (const row of (await all("outbox")).sort((a, b) => a.at - b.at)) {
    if (row.state !== "waiting" && row.state !== "alike") continue; // who may be known is settled in the pages, under the same id
    const act = await unseal(row).catch(() => null);
    if (!act) continue;
    const { title, ...body } = act;
    let answer, told;
    try {
      answer = await fetch("/entry/sync", { method: "POST", redirect: "error", headers: { "Content-Type": "application/json", "X-CSRF-Token": held.csrf }, body: JSON.stringify(body) });
      told = await answer.json();
    } catch {
      return; // no network after all, or signed out: it stays and is tried again
    }
    if (answer.ok) await put("outbox", { ...row, state: "taken", receipt: told.receipt, where: told.where });
    else if (answer.status === 409 || answer.status === 422) await put("outbox", { ...row, state: told.state ?? "refused", why: told.why ?? "" });
    else return;
    dispatchEvent(new CustomEvent("outbox"));
  }
}

export const keepDraft = async (id, values) => put("drafts", { id, at: Date.now(), ...await seal(values) });
export const draft = async (id) => unseal(await get("drafts", id)).catch(() => null);
export const dropDraft = (id) => remove("drafts", id);

const HOUR = 3600e3;

/** Fetch the own doors when the ones here are older than an hour. */
export async function refreshPack() {
  const held = await get("pack", "doors");
  if ((held && Date.now() - held.at < HOUR) || !await unlocked()) return;
  const answer = await fetch("/device/pack", { redirect: "error" });
  if (answer.ok) await put("pack", { id: "doors", at: Date.now(), ...await seal(await answer.json()) });
}

export const pack = async () => unseal(await get("pack", "doors"));

/** Forget everything: rows, key, caches. */
export async function wipe() {
  session = null;
  await worker({ forget: true });
  await Promise.all(TABLES.map((t) => within(t, "readwrite", (s) => s.clear())));
  indexedDB.deleteDatabase(NAME);
}
