// 公民身份号码 (GB 11643-1999): what the number says and whether its check character fits. One module, no network.
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS = "10X98765432";

/** Return {complete, valid, why, birth, sex, number} of what was typed so far. */
export function parse(text) {
  const number = text.normalize("NFKC").replace(/\s/g, "").toUpperCase();
  const said = { number, complete: number.length === 18, valid: false, why: "", birth: "", sex: "" };
  if (!/^\d{0,17}[\dX]?$/.test(number) || number.length > 18) return { ...said, why: "只能是 17 位数字加一位数字或 X" };
  if (number.length >= 14) {
    const birth = `${number.slice(6, 10)}-${number.slice(10, 12)}-${number.slice(12, 14)}`;
    const day = new Date(`${birth}T00:00:00Z`);
    const real = !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === birth && day <= new Date();
    if (!real) return { ...said, why: "第 7 到 14 位不是出生日期" };
    said.birth = birth;
  }
  if (!said.complete) return said;
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(number[i]), 0);
  if (CHECKS[sum % 11] !== number[17]) return { ...said, why: "最后一位校验码不对，请核对" };
  return { ...said, valid: true, sex: Number(number[16]) % 2 ? "1" : "2" };
}

/** Say under an input what its number says, and fill in birth date and sex where they are empty. */
export function watch(input) {
  const said = document.createElement("p");
  said.className = "hint said";
  said.setAttribute("aria-live", "polite");
  input.after(said);
  input.addEventListener("input", () => {
    const told = parse(input.value);
    input.toggleAttribute("data-wrong", Boolean(told.why));
    if (told.why) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
    said.classList.toggle("wrong", Boolean(told.why));
    said.textContent = told.why || (told.valid ? `${told.birth} ${told.sex === "1" ? "男" : "女"}，校验码正确` : "");
    if (!told.valid || !input.form) return;
    for (const [name, value] of [["new.birth_date", told.birth], ["new.sex", told.sex]]) {
      const other = input.form.elements[name];
      if (other && !other.value) other.value = value;
    }
  });
}
