/* Checks a whole ledger at once, from its bundle (gateway/core/disclosure/bundle.py), with the parts of checker.js: each record's texts
   by its leaf's statement, each checkpoint's signatures once, and all receipts under one checkpoint as one proof, in which nodes that
   paths share are computed once. When that proof does not hold, each receipt is checked alone, so that the one that is wrong is named.

   The tree of single texts is checked with a record's own button; consistency between checkpoints by `gateway verify bundle`. */
"use strict";

globalThis.Ledger = (() => {
  const { Bad, Unknown, stated, equal, leafHash, nodeHash, parseNote, parsePolicy, parseReceipt, rootOf, signature, witnesses } = Checker;

  /** The lines of a bundle; Bad when it was cut off. */
  function parse(text) {
    let lines;
    try { lines = text.split("\n").filter(Boolean).map((line) => JSON.parse(line)); } catch { throw new Bad("malformed"); }
    const of = (kind) => lines.filter((line) => line.kind === kind);
    const [bundle] = of("bundle"), [policy] = of("policy"), end = lines.at(-1), records = of("record");
    if (!bundle || !policy || end?.kind !== "end" || end.records !== records.length) throw new Bad("bundle.cut");
    return { person: bundle.person, policy: policy.policy, records };
  }

  const same = (a, b) => a.kind === b.kind && a.number === b.number;

  /** All of `entries` ({ index, hash, path }) are under `note`: one walk from the leaves to the root (RFC 6962, 2.1.3). False when
      it does not come to the root, or a path says another node than the one that stands there. */
  async function underOneRoot(entries, note) {
    let level = new Map(entries.map((e) => [e.index, { hash: e.hash, members: [e] }])), width = note.size;
    const used = new Map(entries.map((e) => [e, 0]));
    while (width > 1) {
      const next = new Map();
      for (const [index, node] of level) {
        const parent = Math.floor(index / 2), last = index % 2 === 0 && index === width - 1;
        let hash = node.hash;
        if (!last) {
          const sibling = level.get(index % 2 ? index - 1 : index + 1)?.hash ?? node.members[0].path[used.get(node.members[0])];
          for (const member of node.members) {
            const told = member.path[used.get(member)];
            if (!told || !equal(told, sibling)) return false;
            used.set(member, used.get(member) + 1);
          }
          if (!next.has(parent)) hash = index % 2 ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
        }
        const known = next.get(parent);
        if (known) known.members.push(...node.members); else next.set(parent, { hash, members: [...node.members] });
      }
      const hashes = await Promise.all([...next.values()].map((node) => node.hash));
      [...next.values()].forEach((node, i) => { node.hash = hashes[i]; });
      level = next; width = Math.ceil(width / 2);
    }
    return equal(level.get(0).hash, note.root) && entries.every((e) => used.get(e) === e.path.length);
  }

  async function included(entries, note) {
    if (entries.some((e) => e.index >= note.size)) return false;
    return underOneRoot(entries, note);
  }

  /** { state, total, verified, waiting, wrong: [{ id, key, values }], partly }. `state`: "verified", "wrong" or "unreachable". */
  async function check(text) {
    const ledger = parse(text), policy = await parsePolicy(ledger.policy);
    const wrong = [], groups = new Map(), notes = new Map();
    const readNote = (text) => { if (!notes.has(text)) notes.set(text, parseNote(text)); return notes.get(text); };
    let waiting = 0, partly = false, unknown = 0, verified = 0;
    const blame = (record, error) => {
      if (error instanceof Unknown) unknown += 1;
      else if (error instanceof Bad) wrong.push({ id: record.fields[0], key: error.key, values: error.values });
      else throw error;
    };
    const read = async (record) => {
      try {
        if (!same(record.person, ledger.person)) throw new Bad("content.person");
        const leaf = await stated(record);
        if (record.receipt === null) { waiting += 1; return; }
        const receipt = parseReceipt(record.receipt, readNote);
        if (receipt.note.origin !== record.log) throw new Bad("inclusion.other");
        if (!groups.has(receipt.note)) groups.set(receipt.note, []);
        groups.get(receipt.note).push({ record, index: receipt.index, path: receipt.path, hash: await leafHash(leaf) });
      } catch (error) { blame(record, error); }
    };
    await Promise.all(ledger.records.map(read));
    for (const [note, entries] of groups) {
      try {
        await signature([note], policy);
        partly ||= (await witnesses(note, policy)).key === "witnesses.partly";
      } catch (error) { entries.forEach(({ record }) => blame(record, error)); continue; }
      const distinct = [...new Map(entries.map((e) => [e.index, e])).values()];
      if (distinct.length === entries.length && await included(entries, note)) { verified += entries.length; continue; }
      for (const { record, index, path, hash } of entries) {
        try {
          if (!equal(await rootOf(hash, index, note.size, path), note.root)) throw new Bad("inclusion.path", { index });
          verified += 1;
        } catch (error) { blame(record, error); }
      }
    }
    const state = wrong.length ? "wrong" : unknown ? "unreachable" : "verified";
    return { state, total: ledger.records.length, verified, waiting, wrong, partly };
  }

  return { check, parse, underOneRoot };
})();
