/* Checks a whole ledger at once, from its bundle (gateway/core/disclosure/bundle.py), with the parts of checker.js. The steps are
   those of `gateway verify bundle` (gateway/core/disclosure/bundlecheck.py):

   whole       every line understood, as many records as the end says, none twice, all about one person
   content     each record's sixteen texts and its person are those of its leaf: the tree of texts and the statement
   inclusion   each leaf is in a tree of its log, by its receipt
   signature   the log signed every checkpoint, those of the receipts and its newest
   witnesses   enough others saw each of them
   history     every receipt's tree is a beginning of the log's newest

   All receipts under one checkpoint are one proof, in which nodes that paths share are computed once. When that proof does not hold,
   each receipt is checked alone, so that the one that is wrong is named. The log's own files beside each entry are read by a record's
   own button only: for a thousand entries of a large log they would be tens of megabytes. */
"use strict";

globalThis.Ledger = (() => {
  const {
    Bad, Unknown, base64, committed, continues, equal, hash32, hoursOf, leafHash, nodeHash, notOverdue, parseNote, parsePolicy, parseReceipt,
    rootOf, sha256, signature, witnesses,
  } = Checker;
  const AT_ONCE = 128; // records: with a thousand at a time, WebCrypto's tens of thousands of promises take a quarter longer
  const STEPS = ["whole", "content", "inclusion", "signature", "witnesses", "history"];
  const KEYS = {
    bundle: "version made person providers", policy: "policy",
    destroyed: "member first last records at rule",
    record: "log leaf person fields salts subject_key statement_key receipt",
    checkpoint: "log note", consistency: "log size hashes", end: "records",
  };
  const ORDER = Object.keys(KEYS), MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

  const understood = (line) => {
    const wanted = KEYS[line?.kind]?.split(" ").concat("kind");
    return Boolean(wanted) && Object.keys(line).length === wanted.length && wanted.every((key) => key in line);
  };

  /** The lines of a bundle; Bad when it was cut off or put together otherwise. */
  function parse(text) {
    let lines;
    try { lines = text.split("\n").filter(Boolean).map((line) => JSON.parse(line)); } catch { throw new Bad("malformed"); }
    const places = lines.map((line) => ORDER.indexOf(line?.kind));
    if (!lines.every(understood) || places.some((place, i) => place < places[i - 1])) throw new Bad("malformed");
    const of = (kind) => lines.filter((line) => line.kind === kind);
    const [bundle, policy, end] = ["bundle", "policy", "end"].map(of), records = of("record");
    if (bundle.length !== 1 || policy.length !== 1 || end.length !== 1 || end[0].records !== records.length) throw new Bad("whole.cut");
    if (bundle[0].version !== 1 || !MOMENT.test(bundle[0].made)) throw new Bad("malformed");
    const checkpoints = of("checkpoint");
    if (new Set(checkpoints.map((line) => line.log)).size !== checkpoints.length) throw new Bad("malformed");
    return { person: bundle[0].person, policy: policy[0].policy, records, checkpoints, consistency: of("consistency") };
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

  /** What became of each step and each record. A record is named once, with the first that is wrong about it. */
  class Findings {
    constructor() {
      this.steps = Object.fromEntries(STEPS.map((step) => [step, { state: "ok", key: `${step}.ok`, values: {} }]));
      this.wrong = new Map();
      this.unknown = new Set();
    }

    /** What `work` gives; undefined when it fails, which then is true of all `records`. */
    async of(step, records, work) {
      try { return await work(); } catch (error) {
        if (!(error instanceof Bad || error instanceof Unknown)) throw error;
        const { key, values } = error, bad = error instanceof Bad;
        if (bad || this.steps[step].state === "ok") this.steps[step] = { state: bad ? "bad" : "unknown", key, values };
        for (const record of records) {
          if (!bad) this.unknown.add(record);
          else if (!this.wrong.has(record)) this.wrong.set(record, { id: record.fields[0], key, values });
        }
        return undefined;
      }
    }

    count(step, values) { if (this.steps[step].state === "ok") this.steps[step].values = values; }
  }

  /** { state, total, verified, waiting, wrong: [{ id, key, values }], partly, steps: { name: { state, key, values } } }. `state`:
      "verified", "wrong", "unreachable", or "broken": the list itself is not whole or cannot be read. `hours`: how long an entry may
      take into the log. */
  async function check(text, now = Date.now(), hours = hoursOf(null)) {
    try { return await judge(parse(text), now, hours); } catch (error) {
      if (!(error instanceof Bad)) throw error;
      const steps = Object.fromEntries(STEPS.map((step) => [step, { state: "unknown", key: "later", values: {} }]));
      steps.whole = { state: "bad", key: error.key, values: error.values };
      return { state: "broken", total: 0, verified: 0, waiting: 0, wrong: [], partly: false, steps };
    }
  }

  async function judge(ledger, now, hours) {
    const policy = await parsePolicy(ledger.policy), found = new Findings(), all = ledger.records;
    const groups = new Map(), notes = new Map(), leaves = new Set(), waiting = new Set();
    const readNote = (note) => { if (!notes.has(note)) notes.set(note, parseNote(note)); return notes.get(note); };

    async function read(record) {
      await found.of("whole", [record], () => {
        if (!same(record.person, ledger.person)) throw new Bad("content.person");
        if (leaves.has(record.leaf)) throw new Bad("whole.twice");
        leaves.add(record.leaf);
      });
      await found.of("content", [record], () => committed(record));
      if (record.log === null) { await found.of("inclusion", [record], () => { throw new Unknown("inclusion.no-log"); }); return; }
      await found.of("inclusion", [record], async () => {
        if (record.receipt === null) { notOverdue(record, now, hours); waiting.add(record); return; }
        const receipt = parseReceipt(record.receipt, readNote);
        if (receipt.note.origin !== record.log) throw new Bad("inclusion.other");
        if (!groups.has(receipt.note)) groups.set(receipt.note, []);
        groups.get(receipt.note).push({ record, index: receipt.index, path: receipt.path, hash: await leafHash(base64(record.leaf)) });
      });
    }
    for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(read));

    for (const [note, entries] of groups) {
      const places = new Set(entries.map((e) => e.index));
      if (places.size === entries.length && entries.every((e) => e.index < note.size) && await underOneRoot(entries, note)) continue;
      await Promise.all(entries.map(({ record, index, path, hash }) => found.of("inclusion", [record], async () => {
        if (!equal(await rootOf(hash, index, note.size, path), note.root)) throw new Bad("inclusion.path", { index });
      })));
    }

    const newest = new Map(), under = (origin) => all.filter((record) => record.log === origin);
    for (const { log, note } of ledger.checkpoints) {
      await found.of("signature", under(log), () => {
        newest.set(log, readNote(note));
        if (newest.get(log).origin !== log) throw new Bad("inclusion.other");
      });
    }
    const checkpoints = new Map([...newest].map(([log, note]) => [note, under(log)]));
    for (const [note, entries] of groups) if (!checkpoints.has(note)) checkpoints.set(note, entries.map((e) => e.record));
    let unchecked = 0;
    for (const [note, records] of checkpoints) {
      await found.of("signature", records, () => signature([note], policy));
      const seen = await found.of("witnesses", records, () => witnesses(note, policy));
      unchecked += seen?.key === "witnesses.partly" ? 1 : 0;
      await found.of("history", records, () => {
        const last = newest.get(note.origin);
        if (!last) throw new Bad("history.none");
        const told = ledger.consistency.find((line) => line.log === note.origin && line.size === note.size);
        if (note.size !== last.size && !told) throw new Bad("history.unproven");
        return continues(note.size, note.root, last.size, last.root, note.size === last.size ? [] : told.hashes.map(hash32));
      });
    }

    const fingerprint = [...(await sha256(new TextEncoder().encode(ledger.policy)))].map((b) => b.toString(16).padStart(2, "0")).join("");
    found.count("whole", { total: all.length });
    found.count("content", { total: all.length });
    found.count("inclusion", { n: all.length - waiting.size });
    found.count("signature", { n: checkpoints.size, policy: fingerprint.slice(0, 16) });
    found.count("witnesses", { n: checkpoints.size });
    found.count("history", { n: checkpoints.size, logs: newest.size });
    const wrong = [...found.wrong.values()], bad = STEPS.some((step) => found.steps[step].state === "bad");
    const verified = all.filter((r) => !waiting.has(r) && !found.wrong.has(r) && !found.unknown.has(r)).length;
    const state = bad ? "wrong" : found.unknown.size ? "unreachable" : "verified";
    return { state, total: all.length, verified, waiting: waiting.size, wrong, partly: unchecked > 0, steps: found.steps };
  }

  return { check, parse, underOneRoot };
})();
