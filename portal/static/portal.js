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

// A value that was asked for stays for as long as the server says, then it is taken out of the page.
function hideLater(root) {
  for (const whole of root.querySelectorAll("[data-hide-after]")) {
    setTimeout(() => { whole.textContent = whole.dataset.hidden; whole.removeAttribute("data-hide-after"); }, whole.dataset.hideAfter * 1000);
    whole.dataset.until = "set";
  }
}
document.body.addEventListener("htmx:after:swap", () => {
  for (const whole of document.querySelectorAll("[data-hide-after]:not([data-until])")) hideLater(whole.parentElement);
});
