// The page that works without a network: the own doors from the encrypted pack, and the outbox with the state of each item.
import { flush, forget, pack, queue, queued, unlocked } from "./store.js";
import { tell } from "./portal.js";

const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};

const WORDS = { waiting: ["待发送", "wait"], taken: ["已收到", "good"], conflict: ["有冲突", "bad"], refused: ["被退回", "bad"] };

async function showQueue() {
  const items = await queued();
  $("items").replaceChildren(...items.map((item) => {
    const [word, tone] = WORDS[item.state];
    const line = make("li", { className: "line" }, make("span", {}, make("span", { className: `state ${tone}`, textContent: word }), ` ${item.title ?? "（登录后可见）"} `,
      make("small", { textContent: item.receipt ? `回执 ${item.receipt.slice(0, 8)}` : item.why })));
    line.dataset.state = item.state;
    if (item.where && navigator.onLine) line.append(make("a", { className: "button small", href: item.where, textContent: "谁已收到" }));
    if (item.state !== "waiting") line.append(make("button", { type: "button", textContent: "知道了", onclick: () => forget(item.id) }));
    return line;
  }));
  if (!items.length) $("items").append(make("li", { className: "empty", textContent: "没有待发送的录入。" }));
}

let held = null;

function showDoors() {
  const wanted = $("find").value.trim();
  const fits = held.doors.filter((d) => !wanted || d.address.includes(wanted) || d.cards.some((c) => c.title.includes(wanted))).slice(0, 30);
  $("doors").replaceChildren(...fits.map((d) => make("li", { className: "line" }, make("button", { type: "button", className: "wide", textContent: d.address, onclick: () => showDoor(d) }))));
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
  $("form").replaceChildren(make("h2", { textContent: door.address }), form);
  $("form").hidden = false;
  $("form").scrollIntoView({ block: "start" });
  form.querySelector("[data-field]")?.focus();
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

addEventListener("outbox", showQueue);
addEventListener("online", () => flush());
start();
