/* The button that checks the whole ledger: fetches the bundle, has ledger.js judge it, and says what came out: each step that was
   checked, and entry by entry what is wrong. */
"use strict";

for (const block of document.querySelectorAll("[data-ledger]")) {
  const words = JSON.parse(block.dataset.catalogue), button = block.querySelector("button"), status = block.querySelector("[role=status]");
  const list = block.querySelector("ul"), checked = block.querySelector("[data-checked]");
  const say = (key, values = {}) => (words[key] ?? words["proof.malformed"]).replace(/\{(\w+)\}/g, (_, name) =>
    name === "field" ? words[`field.${values.field}`] : String(values[name] ?? ""));
  /* What a step says of all entries, or of the one that failed. */
  const told = ({ key, values }) => say(words[`ledger.${key}`] ? `ledger.${key}` : `proof.${key}`, values);

  async function text(path) {
    let answer;
    try { answer = await fetch(`/citizen/v1/${path}`, { credentials: "same-origin", cache: "no-store", redirect: "error" }); return answer.ok ? await answer.text() : null; } catch { return null; }
  }

  async function check() {
    button.disabled = true;
    list.replaceChildren();
    checked.hidden = true;
    status.textContent = say("ledger.checking");
    const [bundle, terms] = await Promise.all([text("bundle"), text("terms")]);
    const there = bundle !== null && terms !== null, hours = there ? Checker.hoursOf(JSON.parse(terms)) : null;
    const found = there ? await Ledger.check(bundle, Date.now(), hours) : null;
    block.dataset.state = found?.state ?? "unreachable";
    const some = found?.state === "verified" && found.waiting ? ".some" : "";
    status.textContent = say(`ledger.${block.dataset.state}${some}`, { ...found, n: found?.wrong.length });
    if (found?.waiting) status.textContent += ` ${say("ledger.waiting", { ...found, hours })}`;
    if (found?.partly) status.textContent += ` ${say("verify.partly")}`;
    for (const { id, key, values } of found?.wrong ?? []) {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `${block.dataset.records}/${encodeURIComponent(id)}`;
      link.textContent = id;
      item.append(link, `: ${say(`proof.${key}`, values)}`);
      list.append(item);
    }
    for (const [name, step] of Object.entries(found?.steps ?? {})) {
      const line = block.querySelector(`[data-step="${name}"]`), knot = line.querySelector(".knot");
      knot.className = `knot ${{ ok: "ok", bad: "bad" }[step.state] ?? "hollow"}`;
      knot.textContent = { ok: "✓", bad: "!" }[step.state] ?? "";
      line.querySelector("[data-words]").textContent = told(step);
    }
    checked.hidden = found === null;
    button.disabled = false;
  }

  if (!globalThis.crypto?.subtle) { button.disabled = true; status.textContent = say("verify.old"); } else button.addEventListener("click", check);
}
