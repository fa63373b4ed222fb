/* The button that checks the whole ledger: fetches the bundle, has ledger.js judge it, and says what came out, entry by entry where
   something is wrong. */
"use strict";

for (const block of document.querySelectorAll("[data-ledger]")) {
  const words = JSON.parse(block.dataset.catalogue), button = block.querySelector("button"), status = block.querySelector("[role=status]");
  const list = block.querySelector("ul");
  const say = (key, values = {}) => (words[key] ?? words["proof.malformed"]).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));

  async function bundle() {
    let answer;
    try { answer = await fetch("/citizen/v1/bundle", { credentials: "same-origin", cache: "no-store", redirect: "error" }); return answer.ok ? await answer.text() : null; } catch { return null; }
  }

  async function check() {
    button.disabled = true;
    list.replaceChildren();
    status.textContent = say("ledger.checking");
    let found = null;
    try {
      const text = await bundle();
      if (text !== null) found = await Ledger.check(text);
    } catch (error) {
      if (!(error instanceof Checker.Bad)) throw error;
      found = null;
    }
    block.dataset.state = found?.state ?? "unreachable";
    status.textContent = say(`ledger.${block.dataset.state}`, { ...found, n: found?.wrong.length });
    if (found?.waiting) status.textContent += ` ${say("ledger.waiting", found)}`;
    if (found?.partly) status.textContent += ` ${say("verify.partly")}`;
    for (const { id, key, values } of found?.wrong ?? []) {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `${block.dataset.records}/${encodeURIComponent(id)}`;
      link.textContent = id;
      item.append(link, `: ${say(`proof.${key}`, values)}`);
      list.append(item);
    }
    button.disabled = false;
  }

  if (!globalThis.crypto?.subtle) { button.disabled = true; status.textContent = say("verify.old"); } else button.addEventListener("click", check);
}
