// What every page needs of script: menus that close, focus on a problem, and a word when the network is gone.
for (const menu of document.querySelectorAll("details[data-close]")) {
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); }
  });
}

document.querySelector("#problem")?.focus();

const told = document.querySelector("#told");

/** Say a sentence at the foot of the screen; screen readers read it. */
export function tell(sentence) {
  told.textContent = sentence;
  told.classList.add("shown");
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => told.classList.remove("shown"), 6000);
}

addEventListener("offline", () => tell("网络已断开。"));
addEventListener("online", () => tell("网络已恢复。"));
document.body.addEventListener("htmx:error", () => { if (!navigator.onLine) tell("网络已断开，这一步没有完成。"); });
