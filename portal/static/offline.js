// The page that works without a network: the own doors from the encrypted pack, and the outbox with the state of each item.
import { watch } from "./citizen_id.js";
import { factsOf, missing } from "./guides.js";
import { exported, flush, forget, pack, queue, queued, unlocked } from "./store.js";
import { tell } from "./portal.js";

const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};

const WORDS = { waiting: ["待发送", "wait"], taken: ["已收到", "good"], alike: ["待查重", "bad"], conflict: ["有冲突", "bad"], refused: ["被退回", "bad"] };

async function showQueue() {
  const items = await queued();
  $("items").replaceChildren(...items.map((item) => {
    const [word, tone] = WORDS[item.state];
    const when = new Date(item.at).toLocaleString("zh-CN", { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
    const count = item.act ? `${item.act.facts.length} 项 · ` : "";
    const line = make("li", { className: "line" }, make("span", {}, make("span", { className: `state ${tone}`, textContent: word }), ` ${item.title ?? "（登录后可见）"} `,
      make("small", { textContent: `${when} · ${count}${item.receipt ? `回执 ${item.receipt.slice(0, 8)}` : item.why || "等待网络"}` })));
    line.dataset.state = item.state;
    if (item.where && navigator.onLine) line.append(make("a", { className: "button small", href: item.where, textContent: "谁已收到" }));
    if (item.act && LOOKED_AT.has(item.state) && navigator.onLine) line.append(make("button", { type: "button", textContent: "打开核对", onclick: () => lookAt(item.act) }));
    if (item.state === "taken") line.append(make("button", { type: "button", textContent: "知道了", onclick: () => forget(item.id) }));
    else line.append(make("button", { type: "button", className: "danger", textContent: "删除", ariaLabel: `删除 ${item.title ?? ""}`, onclick: () => confirm("这条录入还没有送到，删除后找不回来。仍要删除吗？") && forget(item.id) }));
    return line;
  }));
  $("export").hidden = !items.some((item) => item.state !== "taken");
  if (!items.length) $("items").append(make("li", { className: "empty", textContent: "没有待发送的录入。" }));
}

const LOOKED_AT = new Set(["alike", "conflict", "refused"]);

/** Open an act in the page where it is looked at before saving, under the same id: what is missing is answered there. */
async function lookAt(act) {
  const { csrf } = await unlocked();
  const form = make("form", { method: "post", action: "/entry/preview", hidden: true });
  const add = (name, value) => form.append(make("input", { type: "hidden", name, value }));
  add("csrf", csrf);
  add("act_id", act.act_id);
  add("kind", act.kind);
  for (const f of act.facts) {
    add(["v", f.entity_type, f.entity, f.field].join("|"), f.value);
    if (f.seen) add(["s", f.entity_type, f.entity, f.field].join("|"), f.seen);
  }
  document.body.append(form);
  form.submit();
}

async function take() {
  const file = await exported();
  if (!file) return;
  const link = make("a", { href: URL.createObjectURL(file), download: `离线录入-${new Date().toLocaleDateString("sv-SE")}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  tell("已导出。送到之前请不要退出登录，也不要删除本机的录入。");
}

let held = null;

function showDoors() {
  const wanted = $("find").value.trim();
  const fits = held.doors.filter((d) => !wanted || d.address.includes(wanted) || d.cards.some((c) => c.title.includes(wanted)));
  const told = fits.slice(0, 30);
  $("doors").replaceChildren(...told.map((d) => make("li", { className: "line" }, make("button", { type: "button", className: "wide", textContent: d.address, onclick: () => showDoor(d) }))));
  if (fits.length > told.length) $("doors").append(make("li", { className: "empty", textContent: `还有 ${fits.length - told.length} 户，输入门牌或姓名再找。` }));
}

function input(card, field) {
  const id = `o-${card.id}-${field.name}`;
  const box = field.options.length
    ? make("select", { id }, make("option", { value: "", textContent: "不改" }), ...field.options.map(([value, textContent]) => make("option", { value, textContent })))
    : make("input", { id, type: field.kind === "date" ? "date" : field.kind === "phone" ? "tel" : "text", autocomplete: "off" });
  Object.assign(box.dataset, { type: card.type, entity: card.id, field: field.name, stamp: field.stamp });
  const now = field.shown ? `现在：${field.shown}` : "没有登记";
  return [make("label", { htmlFor: id, textContent: field.cn }), box, make("p", { className: "hint", textContent: field.why ? `${now}（${field.why}）` : now })];
}

function showDoor(door) {
  const form = make("form", { className: "fields" });
  for (const card of door.cards) form.append(make("h3", { textContent: card.title }), ...card.fields.flatMap((f) => input(card, f)));
  form.append(make("button", { type: "submit", className: "main", textContent: "存在本机，联网后送出" }), make("button", { type: "button", textContent: "均无变化", onclick: () => same(door) }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const facts = [...form.querySelectorAll("[data-field]")].filter((i) => i.value.trim()).map((i) => (
      { entity_type: i.dataset.type, entity: i.dataset.entity, field: i.dataset.field, value: i.value.trim(), seen: i.dataset.stamp }));
    if (facts.length) await keep({ kind: "correct", facts }, door);
    else tell("没有填写任何新的值。");
  });
  $("form").replaceChildren(make("h2", { textContent: door.address }), form, happened(door));
  $("form").hidden = false;
  $("form").scrollIntoView({ block: "start" });
  form.querySelector("[data-field]")?.focus();
}

/** What may have happened at a door: a button for each guided act. */
function happened(door) {
  const list = make("div", { className: "acts" });
  for (const guide of held.guides ?? []) {
    for (const card of guide.on === "place" ? [null] : door.cards.filter((c) => c.type === guide.on)) {
      list.append(make("button", { type: "button", textContent: card ? `${card.title}：${guide.title}` : guide.title, onclick: () => showGuide(guide, door, card) }));
    }
  }
  return make("section", {}, make("h3", { textContent: "发生了什么" }), list);
}

function answer(ask) {
  const id = `g-${ask.name.replace(".", "-")}`;
  const props = { id, name: ask.name, required: ask.required };
  const box = ask.options.length
    ? make("select", props, make("option", { value: "", textContent: "请选择" }), ...ask.options.map(([value, textContent]) => make("option", { value, textContent })))
    : make("input", { ...props, type: ask.kind === "date" ? "date" : ask.kind === "phone" ? "tel" : "text", autocomplete: "off", maxLength: ask.length || 200 });
  const label = make("label", { htmlFor: id, textContent: ask.cn });
  if (ask.required) label.append(make("span", { className: "must", ariaHidden: "true", textContent: "必填" }));
  return [label, box, ...(ask.hint ? [make("p", { className: "hint", textContent: ask.hint })] : [])];
}

function showGuide(guide, door, card) {
  const form = make("form", { className: "fields" }, ...guide.asks.flatMap(answer));
  if (guide.mate) {
    const others = door.cards.filter((c) => c.type === "person" && c.id !== card?.id);
    form.append(make("label", { htmlFor: "g-mate", textContent: guide.mate }), make("select", { id: "g-mate", name: "mate", required: true },
      make("option", { value: "", textContent: "请选择" }), ...others.map((c) => make("option", { value: c.id, textContent: c.title }))));
  }
  form.append(make("button", { type: "submit", className: "main", textContent: "存在本机，联网后送出" }), make("button", { type: "button", textContent: "返回这一户", onclick: () => showDoor(door) }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answers = Object.fromEntries(new FormData(form));
    const gaps = missing(guide, answers);
    if (gaps.length) { tell(`请补全：${gaps.map((a) => a.cn).join("、")}`); return; }
    const seen = (of, name) => (of === "self" ? card?.fields.find((f) => f.name === name)?.stamp : null);
    const facts = factsOf(guide, answers, { subject: card?.id, mate: answers.mate, address: door.address, stamp: seen });
    if (!facts.length) { tell("没有填写任何新的值。"); return; }
    await keep({ kind: guide.kind, facts }, { address: `${guide.title}：${card ? `${card.title}，` : ""}${door.address}` });
  });
  const title = make("h2", { textContent: card ? `${card.title}：${guide.title}` : guide.title });
  $("form").replaceChildren(title, make("p", { className: "soft", textContent: `${door.address}。${guide.lead}` }), form);
  const number = form.querySelector("[name='new.id_number']");
  if (number) watch(number);
  (form.querySelector("input, select") ?? form.querySelector("button")).focus();
}

async function same(door) {
  const day = new Date().toLocaleDateString("sv-SE");
  const facts = door.cards.filter((c) => c.type === "person").map((c) => ({ entity_type: "person", entity: c.id, field: "visited_on", value: day, seen: null }));
  if (facts.length) await keep({ kind: "check", facts }, door);
}

async function keep(act, door) {
  await queue(act, door.address);
  $("form").hidden = true;
  tell("已加密存在本机。");
  if (navigator.onLine) await flush();
}

async function start() {
  if (navigator.onLine) await flush();
  await showQueue();
  if (!await unlocked()) {
    $("how").textContent = "本机的录入都在，但要联网登录后才能打开。";
    return;
  }
  held = await pack().catch(() => null);
  $("how").textContent = held ? `本网格 ${held.doors.length} 户，${held.at.slice(0, 16).replace("T", " ")} 的底数，加密存在本机。` : "本机还没有户表：请先联网打开一次“任务”。";
  if (!held) return;
  $("finder").hidden = false;
  $("find").addEventListener("input", showDoors);
  showDoors();
}

$("take").addEventListener("click", take);
addEventListener("outbox", showQueue);
addEventListener("online", () => flush());
start();
