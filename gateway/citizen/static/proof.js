/* The verify button: fetches what checker.js needs, shows each step as it ends, and one verdict. */
"use strict";

for (const block of document.querySelectorAll("[data-record]")) {
  const words = JSON.parse(block.dataset.catalogue);
  const api = "/citizen/v1", record = `${api}/records/${block.dataset.record}`;
  const { Unknown } = Checker;

  const say = (key, values = {}) => (words[`proof.${key}`] ?? words["proof.malformed"]).replace(/\{(\w+)\}/g, (_, name) =>
    name === "field" ? words[`field.${values.field}`] : String(values[name] ?? ""));

  async function get(path) {
    let answer;
    try { answer = await fetch(path, { credentials: "same-origin", cache: "no-store", redirect: "error" }); } catch { throw new Unknown("unreachable"); }
    if (answer.status >= 500) throw new Unknown("unreachable");
    if (answer.status === 401) throw new Unknown("signed-out");
    return answer;
  }

  async function text(path) {
    const answer = await get(path);
    if (!answer.ok) throw new Unknown("unreachable");
    return answer.text();
  }

  const year = block.dataset.origin.split("/").pop();
  const source = {
    opening: async () => JSON.parse(await text(record)).opening,
    receipt: async () => {
      if (!block.dataset.origin) throw new Unknown("inclusion.no-log");
      const answer = await get(`${record}/receipt`);
      if (answer.status === 202 || answer.status === 404) return null;
      if (!answer.ok) throw new Unknown("unreachable");
      return answer.text();
    },
    policy: () => text(`${api}/policy`),
    terms: async () => JSON.parse(await text(`${api}/terms`)),
    checkpoint: () => text(`${api}/log/${year}/checkpoint`),
    file: async (path) => {
      const answer = await get(`${api}/log/${year}/${path}`);
      return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : null;
    },
  };

  function show(state) {
    block.dataset.state = state;
    for (const part of block.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
    for (const button of block.querySelectorAll("[data-check]")) button.disabled = state === "checking";
  }

  function step(name, result) {
    const line = block.querySelector(`[data-step="${name}"]`), knot = line.querySelector(".knot");
    knot.className = `knot ${{ ok: "ok", bad: "bad", run: "run" }[result.state] ?? "hollow"}`;
    knot.textContent = { ok: "✓", bad: "!" }[result.state] ?? "";
    line.querySelector("[data-words]").textContent = result.key ? say(result.key, result.values) : "";
  }

  async function check() {
    show("checking");
    for (const line of block.querySelectorAll("[data-step]")) step(line.dataset.step, { state: "run", key: "running" });
    const shown = [...document.querySelectorAll("[data-field]")].map((e) => [Number(e.dataset.field), e.textContent]);
    let found;
    try { found = await Checker.check(source, shown, step); } catch { found = { state: "unreachable", steps: {} }; }
    for (const line of block.querySelectorAll("[data-step]")) if (!found.steps[line.dataset.step]) step(line.dataset.step, { state: "unknown", key: "later" });
    const bad = Object.values(found.steps).find((s) => s.state === "bad");
    for (const part of block.querySelectorAll("[data-reason]")) part.textContent = bad ? say(bad.key, bad.values) : "";
    for (const part of block.querySelectorAll("[data-partly]")) part.hidden = found.steps.witnesses?.key !== "witnesses.partly";
    for (const part of block.querySelectorAll("[data-now]")) part.textContent = new Date().toLocaleString({ vi: "vi-VN", en: "en-GB" }[document.documentElement.lang]);
    show(found.state);
  }

  if (!globalThis.crypto?.subtle) show("old");
  else for (const button of block.querySelectorAll("[data-check]")) button.addEventListener("click", check);
}
