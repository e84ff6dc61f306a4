// What a worker's pages need of script: numbers read while typing, duplicates answered before saving, the cascade of addresses,
// copying, drafts, and the device's outbox.
import { watch } from "./citizen_id.js";
import { factsOf as guided, missing } from "./guides.js";
import { draft, dropDraft, flush, keepDraft, queue, queued, refreshPack, unlocked, wipe } from "./store.js";
import { tell } from "./portal.js";

const each = (selector, work, root = document) => root.querySelectorAll(selector).forEach(work);

each("[data-id-number]", watch);
each("form[data-confirm]", (form) => form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); }));
each("[data-back]", (button) => button.addEventListener("click", () => history.back()));
each("select[data-submit]", (select) => select.addEventListener("change", () => select.form.submit()));
each("[data-copy]", (button) => button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "已复制";
  tell("已复制。");
}));

// The save button stays "先查重" until each possible duplicate is answered.
function weigh() {
  each("form.guide", (form) => {
    const open = [...form.querySelectorAll(".alike .one")].filter((one) => !one.querySelector("input:checked")).length;
    const button = form.querySelector("[data-save]");
    if (!button) return;
    button.dataset.label ??= button.textContent;
    button.textContent = open ? `先查重（还有 ${open} 个）` : button.dataset.label;
    button.toggleAttribute("data-held", open > 0);
  });
}
each("form.guide", (form) => {
  form.addEventListener("change", weigh);
  form.addEventListener("submit", (event) => {
    if (event.submitter?.name === "edit" || !form.querySelector("[data-save][data-held]")) return;
    event.preventDefault();
    form.querySelector(".alike input").focus();
    tell("请先确认是不是已经登记过。");
  });
});
weigh();

// Who is known already is asked while typing; an older answer that comes late is thrown away.
each("[data-asks]", (place) => {
  let later, last = 0;
  place.closest("form").addEventListener("input", (event) => {
    if (place.contains(event.target)) return;
    clearTimeout(later);
    later = setTimeout(async () => {
      const mine = ++last;
      const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content, "HX-Request": "true" };
      const answer = await fetch(place.dataset.asks, { method: "POST", headers, body: new URLSearchParams(new FormData(place.closest("form"))) }).catch(() => null);
      if (mine !== last || !answer?.ok) return;
      place.replaceChildren(document.createRange().createContextualFragment(await answer.text()));
      weigh();
    }, 350);
  });
});

// 地址逐级选择 from our own tree; what is chosen is written into the input, which stays free to be typed in.
each("input[data-address]", (input) => {
  const open = Object.assign(document.createElement("button"), { type: "button", className: "pick", textContent: "从地址树选" });
  const place = Object.assign(document.createElement("div"), { className: "cascades" });
  input.after(open, place);
  const next = async (node) => {
    const answer = await fetch(`/address/children?node=${encodeURIComponent(node)}`);
    if (!answer.ok) return;
    const part = document.createRange().createContextualFragment(await answer.text());
    const select = part.querySelector("select");
    if (!select) return;
    select.addEventListener("change", () => {
      while (select.parentElement.nextElementSibling) select.parentElement.nextElementSibling.remove();
      const chosen = select.selectedOptions[0];
      if (chosen.value) { input.value = chosen.dataset.text; next(chosen.value); }
    });
    place.append(part);
    select.focus();
  };
  open.addEventListener("click", () => { place.replaceChildren(); next(""); });
});

/** Return the facts that a form holds, as the server would read them. */
function factsOf(form) {
  const values = [...new FormData(form)];
  const seen = new Map(values.filter(([n]) => n.startsWith("s|")).map(([n, v]) => [n.slice(2), v]));
  const told = new Map();
  for (const [name, value] of values) {
    if (!name.startsWith("v|") || !value.trim()) continue;
    const [entity_type, entity, field] = name.slice(2).split("|");
    told.set(name, { entity_type, entity, field, value: value.trim(), seen: seen.get(name.slice(2)) ?? null });
  }
  return [...told.values()];
}

each("form.entry", (form) => {
  const id = form.dataset.draft;
  let later;
  form.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => keepDraft(id, [...new FormData(form)].filter(([n, v]) => n.startsWith("v|") && v)).catch(() => {}), 400);
  });
  form.addEventListener("submit", async (event) => {
    if (navigator.onLine) { dropDraft(id); return; }
    event.preventDefault();
    const facts = factsOf(form);
    if (!facts.length) return;
    await queue({ kind: "correct", facts }, document.querySelector("h1").textContent);
    dropDraft(id);
    form.reset();
    tell("没有网络：已加密存在本机，联网后自动送出。");
  });
  draft(id).then((values) => {
    for (const [name, value] of values ?? []) {
      const input = form.elements[name];
      if (input && "value" in input && !input.value) { input.value = value; input.closest("details")?.setAttribute("open", ""); }
    }
    if (values?.length) tell("已恢复上次没有保存的填写。");
  });
});

/** Put an act into the outbox when there is no network; `act()` returns {kind, facts, title, id} or says what is missing. */
function keepOffline(form, act) {
  form.addEventListener("submit", async (event) => {
    if (navigator.onLine) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const made = act();
    if (!made) return;
    await queue({ kind: made.kind, facts: made.facts }, made.title, made.id);
    for (const part of form.elements) part.disabled = true;
    tell("没有网络：已加密存在本机，联网后自动送出。");
  }, { capture: true });
}
const heading = () => document.querySelector("h1").textContent;

each("form[data-guide]", (form) => keepOffline(form, () => {
  const guide = JSON.parse(form.dataset.guide);
  const answers = Object.fromEntries(new FormData(form));
  const gaps = missing(guide, answers);
  if (gaps.length || (guide.mate && !answers.mate)) { tell(`请补全：${gaps.map((a) => a.cn).join("、") || guide.mate}`); return null; }
  const facts = guided(guide, answers, { subject: form.dataset.subject, mate: answers.mate, address: form.dataset.address });
  return { kind: guide.kind, facts, title: `${guide.title}：${form.dataset.address || answers["new.name"] || ""}`, id: answers.act_id };
}));

each("form[action='/entry/save']", (form) => keepOffline(form, () => (
  { kind: form.elements.kind.value, facts: factsOf(form), title: heading(), id: form.elements.act_id.value })));

const STATES = { waiting: "待发送", taken: "已收到", alike: "待查重", conflict: "有冲突", refused: "被退回" };

async function showDevice() {
  const place = document.querySelector("#device");
  if (!place) return;
  const items = await queued();
  place.hidden = !items.length;
  place.replaceChildren(...items.length ? [Object.assign(document.createElement("p"), { className: "notice wait" })] : []);
  const p = place.querySelector("p");
  if (!p) return;
  const counts = Object.entries(STATES).map(([s, word]) => [items.filter((i) => i.state === s).length, word]).filter(([n]) => n);
  const a = Object.assign(document.createElement("a"), { href: "/offline", textContent: "查看" });
  p.append(`本机的离线录入：${counts.map(([n, word]) => `${word} ${n}`).join("，")}　`, a);
}

addEventListener("outbox", showDevice);
addEventListener("online", () => flush());

const leaving = document.querySelector("form[action='/logout']");
leaving?.addEventListener("submit", async (event) => {
  if (leaving.dataset.wiped) return;
  event.preventDefault();
  const open = (await queued()).filter((i) => i.state !== "taken");
  if (open.length && !confirm(`本机还有 ${open.length} 条录入没有送出，退出后会被清除。仍要退出吗？`)) return;
  await wipe();
  leaving.dataset.wiped = "yes";
  leaving.submit();
});

if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/sw.js", { scope: "/" }).catch(() => tell("这台设备还没有信任本站的证书，断网时不能办理。请管理员安装本站的根证书。"));
  navigator.serviceWorker.ready.then(async () => {
    if (!navigator.serviceWorker.controller) await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
    if (!await unlocked(true)) return;
    await showDevice();
    await flush();
    await refreshPack().catch(() => {});
    document.documentElement.dataset.device = "ready";
  });
}
