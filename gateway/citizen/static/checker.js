/* Checks one access record against the public log, with WebCrypto and nothing else. No page, no network: what it needs is handed in.

   content     the sixteen texts, the person and the leaf belong together      (gateway/core/disclosure/leaf.py)
   inclusion   the leaf is in the log: by the receipt, and by the log's own public files   (RFC 6962; C2SP tlog-proof, tlog-tiles)
   signature   the log signed the checkpoints                                  (C2SP signed-note, tlog-checkpoint)
   witnesses   enough others saw the same checkpoint                           (C2SP tlog-cosignature, tlog-policy)

   Each step ends as { state: "ok" | "bad" | "wait" | "unknown", key, values }. "bad" is evidence against somebody; "unknown" means
   that nothing was learnt. ML-DSA-44 is checked where the browser knows it, and counted as unchecked where it does not. */
"use strict";

globalThis.Checker = (() => {
  const utf8 = new TextEncoder();
  const FIELDS = 16, LEAF = 108, WIDTH = 256, BUCKET = 600;
  const HOUR = 3600 * 1000, USUAL_HOURS = 24, MOST_HOURS = 7 * 24; // the most: whatever the portal says, no entry waits longer
  const SUBJECT = utf8.encode("egov-al/v1/subject\0"), STATEMENT = utf8.encode("egov-al/v1/stmt\0");
  const ED25519 = 0x01, COSIGNATURE = 0x04, ML_DSA = 0x06;

  class Bad extends Error { constructor(key, values = {}) { super(key); Object.assign(this, { key, values }); } }
  class Unknown extends Error { constructor(key, values = {}) { super(key); Object.assign(this, { key, values }); } }

  /* ---- bytes ---- */
  const joined = (...parts) => {
    const whole = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  };
  const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
  const number = (value, size) => Uint8Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * (size - 1 - i))) & 255n));
  const u32 = (value) => { const bytes = new Uint8Array(4); new DataView(bytes.buffer).setUint32(0, value); return bytes; };
  /** The one spelling only: what is read is written again and compared. Newer browsers do both themselves, and much faster. */
  const decoded = (text) => {
    if (Uint8Array.fromBase64) { const value = Uint8Array.fromBase64(text); return [value, value.toBase64()]; }
    const raw = atob(text), value = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) value[i] = raw.charCodeAt(i);
    return [value, btoa(raw)];
  };
  const base64 = (text) => {
    let value, again;
    try { [value, again] = decoded(text); } catch { throw new Bad("malformed"); }
    if (again !== text) throw new Bad("malformed");
    return value;
  };
  const hash32 = (text) => { const value = base64(text); if (value.length !== 32) throw new Bad("malformed"); return value; };
  const decimal = (text) => {
    if (!/^(0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(Number(text))) throw new Bad("malformed");
    return Number(text);
  };

  /* ---- hashes ---- */
  const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
  const leafHash = (entry) => sha256(Uint8Array.of(0), entry);
  const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);
  const hmac = async (key, ...parts) => {
    const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, joined(...parts)));
  };

  /* ---- 1. content ---- */
  function form(opening) {
    const leaf = base64(opening.leaf);
    if (opening.fields.length !== FIELDS || opening.salts.length !== FIELDS || leaf.length !== LEAF) throw new Bad("content.form");
    if (leaf[0] !== 1 || leaf[1] !== 1) throw new Bad("content.form");
    return leaf;
  }

  async function content(opening, shown) {
    const fields = opening.fields;
    form(opening);
    for (const [index, text] of shown) if (fields[index] !== text) throw new Bad("content.shown", { field: index });
    await committed(opening);
    return { state: "ok", key: "content.ok", values: {} };
  }

  /** The leaf's bytes, if its tree of salted texts and its statement both say exactly these texts, and the statement this person. */
  async function committed(opening) {
    const leaf = form(opening), fields = opening.fields.map((text) => utf8.encode(text));
    let level = await Promise.all(fields.map((text, i) => sha256(Uint8Array.of(0, 1, i), base64(opening.salts[i]), text)));
    while (level.length > 1) level = await Promise.all(level.filter((_, i) => i % 2 === 0).map((left, i) => nodeHash(left, level[2 * i + 1])));
    if (!equal(level[0], leaf.slice(12, 44))) throw new Bad("content.fields");
    const person = utf8.encode(`${opening.person.kind}:${opening.person.number}`);
    const subject = await hmac(base64(opening.subject_key), SUBJECT, person);
    if (!equal(subject, leaf.slice(44, 76))) throw new Bad("content.person");
    const statement = await sha256(...[...fields, person].flatMap((text) => [u32(text.length), text]));
    const stated = await hmac(base64(opening.statement_key), STATEMENT, statement);
    if (!equal(stated, leaf.slice(76))) throw new Bad("content.statement");
    const bucket = new DataView(leaf.buffer).getUint32(4);
    if (Math.floor(Date.parse(opening.fields[1]) / 1000 / BUCKET) !== bucket) throw new Bad("content.time", { field: 1 });
    return leaf;
  }

  /* ---- notes, checkpoints, receipts, policies ---- */
  function parseNote(text) {
    const end = text.lastIndexOf("\n\n");
    if (end < 1 || !text.endsWith("\n")) throw new Bad("malformed");
    const signatures = text.slice(end + 2, -1).split("\n").map((line) => {
      const found = /^\u2014 ([^\s+]+) (\S+)$/u.exec(line);
      if (!found) throw new Bad("malformed");
      const value = base64(found[2]);
      if (value.length < 5) throw new Bad("malformed");
      return { name: found[1], id: value.slice(0, 4), blob: value.slice(4) };
    });
    const body = text.slice(0, end + 1), lines = body.split("\n");
    if (lines.length < 4 || lines.slice(0, -1).some((line) => !line)) throw new Bad("malformed");
    return { text: utf8.encode(body), origin: lines[0], size: decimal(lines[1]), root: hash32(lines[2]), signatures };
  }

  /** `note`: how to read the checkpoint, for who has read the same one before. */
  function parseReceipt(text, note = parseNote) {
    const end = text.indexOf("\n\n");
    const lines = text.slice(0, end).split("\n");
    if (end < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Bad("malformed");
    if (lines[0]?.startsWith("extra ")) lines.shift();
    const index = /^index (.*)$/.exec(lines.shift() ?? "");
    if (!index || lines.length > 63) throw new Bad("malformed");
    return { index: decimal(index[1]), path: lines.map(hash32), note: note(text.slice(end + 2)) };
  }

  async function parseKey(vkey) {
    const [name, id, ...rest] = vkey.split("+");
    const value = base64(rest.join("+"));
    const known = (await sha256(utf8.encode(`${name}\n`), value)).slice(0, 4);
    if ([...known].map((b) => b.toString(16).padStart(2, "0")).join("") !== id) throw new Bad("malformed");
    return { name, kind: value[0], id: known, material: value.slice(1) };
  }

  async function parsePolicy(text) {
    const policy = { logs: [], witnesses: [], groups: [], quorum: null };
    for (const line of text.split("\n")) {
      const [word, ...rest] = line.trim().split(/[ \t]+/);
      if (word === "log") policy.logs.push(await parseKey(rest[0]));
      else if (word === "witness") policy.witnesses.push({ called: rest[0], ...(await parseKey(rest[1])) });
      else if (word === "group") {
        const need = { all: rest.length - 2, any: 1 }[rest[1]] ?? decimal(rest[1]);
        policy.groups.push({ called: rest[0], need, members: rest.slice(2) });
      } else if (word === "quorum") policy.quorum = rest[0];
      else if (word && !word.startsWith("#")) throw new Bad("malformed");
    }
    return policy;
  }

  function satisfied(policy, cosigned) {
    const reached = new Set(cosigned);
    for (const group of policy.groups) if (group.members.filter((m) => reached.has(m)).length >= group.need) reached.add(group.called);
    return policy.quorum === "none" || reached.has(policy.quorum);
  }

  /* ---- signatures ---- */
  /** true or false; null when this browser does not know the algorithm. */
  async function verifies(algorithm, format, material, signature, message) {
    let key;
    try { key = await crypto.subtle.importKey(format, material, { name: algorithm }, false, ["verify"]); } catch { return null; }
    return crypto.subtle.verify({ name: algorithm }, key, signature, message);
  }

  const short = (text) => { const value = utf8.encode(text); return joined(Uint8Array.of(value.length), value); };

  async function lineHolds(key, note, blob) {
    if (key.kind === ED25519) return verifies("Ed25519", "raw", key.material, blob, note.text);
    const time = blob.slice(0, 8), value = blob.slice(8), at = time.reduce((n, b) => n * 256n + BigInt(b), 0n);
    if (key.kind === COSIGNATURE) return verifies("Ed25519", "raw", key.material, value, joined(utf8.encode(`cosignature/v1\ntime ${at}\n`), note.text));
    if (key.kind !== ML_DSA) return null;
    const message = joined(utf8.encode("subtree/v1\n\0"), short(key.name), time, short(note.origin), number(0, 8), number(note.size, 8), note.root);
    return verifies("ML-DSA-44", "raw-public", key.material, value, message);
  }

  /** Which of `keys` signed: { key, holds } with holds true, or null when this browser cannot tell. Bad for a line that does not hold. */
  async function signers(note, keys, bad) {
    const found = [];
    for (const key of keys) {
      const line = note.signatures.find((s) => s.name === key.name && equal(s.id, key.id));
      if (!line) continue;
      const holds = await lineHolds(key, note, line.blob);
      if (holds === false) throw new Bad(bad, { name: key.name });
      found.push({ key, holds });
    }
    return found;
  }

  async function signature(notes, policy) {
    for (const note of notes) {
      const signed = await signers(note, policy.logs.filter((key) => key.name === note.origin), "signature.bad");
      if (!signed.length) throw new Bad("signature.none");
      if (!signed.some((s) => s.holds)) throw new Unknown("signature.unsupported");
    }
    return { state: "ok", key: "signature.ok", values: { origin: notes[0].origin } };
  }

  async function witnesses(note, policy) {
    const signed = await signers(note, policy.witnesses, "witnesses.bad");
    const checked = signed.filter((s) => s.holds).map((s) => s.key.called), all = signed.map((s) => s.key.called);
    const values = { checked: checked.length, unchecked: all.length - checked.length };
    if (satisfied(policy, checked)) return { state: "ok", key: "witnesses.ok", values };
    if (!satisfied(policy, all)) throw new Unknown("witnesses.few", values); // one that is away signs nothing
    if (!checked.length) throw new Unknown("witnesses.unsupported", values);
    return { state: "ok", key: "witnesses.partly", values };
  }

  /* ---- 2. inclusion ---- */
  async function rootOf(leaf, index, size, path) {
    if (index >= size) throw new Bad("inclusion.path");
    let hash = leaf, n = BigInt(index), last = BigInt(size) - 1n;
    for (const sibling of path) {
      if (last === 0n) throw new Bad("inclusion.path");
      if (n & 1n || n === last) {
        hash = await nodeHash(sibling, hash);
        while (!(n & 1n) && n !== 0n) { n >>= 1n; last >>= 1n; }
      } else hash = await nodeHash(hash, sibling);
      n >>= 1n; last >>= 1n;
    }
    if (last !== 0n) throw new Bad("inclusion.path");
    return hash;
  }

  /** That the tree (newer, newRoot) begins with (older, oldRoot) (RFC 9162, 2.1.4.2); Bad otherwise. */
  async function continues(older, oldRoot, newer, newRoot, path) {
    const two = new Bad("history.two");
    if (older > newer || older < 1) throw two;
    if (older === newer) { if (path.length || !equal(oldRoot, newRoot)) throw two; return; }
    const whole = Number.isInteger(Math.log2(older)) ? [oldRoot, ...path] : path;
    if (!whole.length) throw two;
    let n = BigInt(older) - 1n, last = BigInt(newer) - 1n;
    while (n & 1n) { n >>= 1n; last >>= 1n; }
    let [fromOld, fromNew] = [whole[0], whole[0]];
    for (const sibling of whole.slice(1)) {
      if (last === 0n) throw two;
      if (n & 1n || n === last) {
        [fromOld, fromNew] = await Promise.all([nodeHash(sibling, fromOld), nodeHash(sibling, fromNew)]);
        while (!(n & 1n) && n !== 0n) { n >>= 1n; last >>= 1n; }
      } else fromNew = await nodeHash(fromNew, sibling);
      n >>= 1n; last >>= 1n;
    }
    if (last !== 0n || !equal(fromOld, oldRoot) || !equal(fromNew, newRoot)) throw two;
  }

  const below = (n) => { let k = 1; while (2 * k < n) k *= 2; return k; };

  /** The log's public files for a tree of `size` entries. `file(path)`: bytes, or null when there is no such file. */
  class Tiles {
    constructor(size, file) { this.size = size; this.file = file; this.kept = new Map(); }

    async bytes(level, n) {
      const have = Math.floor(this.size / WIDTH ** (level === "entries" ? 0 : level));
      const width = Math.min(WIDTH, have - n * WIDTH);
      let name = String(n % 1000).padStart(3, "0");
      for (let rest = Math.floor(n / 1000); rest; rest = Math.floor(rest / 1000)) name = `x${String(rest % 1000).padStart(3, "0")}/${name}`;
      const path = `tile/${level}/${name}`;
      if (!this.kept.has(path)) {
        const found = (width < WIDTH ? await this.file(`${path}.p/${width}`) : null) ?? await this.file(path);
        if (!found) throw new Bad("inclusion.files", { path });
        this.kept.set(path, found);
      }
      return this.kept.get(path);
    }

    async node(level, index) {
      const high = Math.floor(level / 8), low = level % 8, first = index * 2 ** low;
      const bytes = await this.bytes(high, Math.floor(first / WIDTH)), at = (first % WIDTH) * 32;
      let hashes = Array.from({ length: 2 ** low }, (_, i) => bytes.slice(at + 32 * i, at + 32 * i + 32));
      if (hashes.some((h) => h.length !== 32)) throw new Bad("inclusion.tiles");
      while (hashes.length > 1) hashes = await Promise.all(hashes.filter((_, i) => i % 2 === 0).map((left, i) => nodeHash(left, hashes[2 * i + 1])));
      return hashes[0];
    }

    async root(start, n) {
      if (Number.isInteger(Math.log2(n))) return this.node(Math.log2(n), start / n);
      const k = below(n);
      return nodeHash(await this.root(start, k), await this.root(start + k, n - k));
    }

    async path(index, start = 0, n = this.size) {
      if (n === 1) return [];
      const k = below(n);
      if (index < k) return [...(await this.path(index, start, k)), await this.root(start + k, n - k)];
      return [...(await this.path(index - k, start + k, n - k)), await this.root(start, k)];
    }

    async entry(index) {
      const bundle = await this.bytes("entries", Math.floor(index / WIDTH));
      for (let at = 0, n = index % WIDTH; at + 2 <= bundle.length; n -= 1) {
        const size = bundle[at] * 256 + bundle[at + 1];
        if (n === 0) return bundle.slice(at + 2, at + 2 + size);
        at += 2 + size;
      }
      throw new Bad("inclusion.entry");
    }
  }

  async function inclusion(leaf, receipt, published, file) {
    const hash = await leafHash(leaf);
    const { note, index, path } = receipt;
    if (!equal(await rootOf(hash, index, note.size, path), note.root)) throw new Bad("inclusion.path", { index });
    if (published.size < note.size) throw new Bad("inclusion.rewound");
    const tiles = new Tiles(published.size, file);
    if (!equal(await tiles.entry(index), leaf)) throw new Bad("inclusion.entry", { index });
    if (!equal(await tiles.node(0, index), hash)) throw new Bad("inclusion.entry", { index });
    if (!equal(await rootOf(hash, index, published.size, await tiles.path(index)), published.root)) throw new Bad("inclusion.tiles", { index });
    if (!equal(await tiles.root(0, published.size), published.root)) throw new Bad("inclusion.tiles", { index });
    return { state: "ok", key: "inclusion.ok", values: { index, size: published.size } };
  }

  /** How many hours an entry may take into the log, from what the portal publishes (`/citizen/v1/terms`). */
  function hoursOf(terms) {
    const hours = terms?.max_delay_hours;
    return Number.isInteger(hours) && hours > 0 ? Math.min(hours, MOST_HOURS) : USUAL_HOURS;
  }

  /** That an entry which the log does not have may still be on its way there; Bad otherwise. `now`: as Date.now() gives it. */
  function notOverdue(opening, now, hours) {
    if (Math.abs(now - Date.parse(opening.fields[1])) >= hours * HOUR) throw new Bad("inclusion.missing", { hours });
  }

  /* ---- everything ---- */
  const settled = async (work) => {
    try { return await work(); } catch (error) {
      if (error instanceof Bad) return { state: "bad", key: error.key, values: error.values };
      if (error instanceof Unknown) return { state: "unknown", key: error.key, values: error.values };
      throw error;
    }
  };

  /** `source`: opening() → JSON; receipt() → text, or null when the log has none; checkpoint(), policy() → text; terms() → JSON;
      file(path) → bytes or null. They throw Bad or Unknown. `shown`: [field, text] of each text that the page shows. `told(step, result)` is called as each
      step ends. Returns { state, steps }. */
  async function check(source, shown, told = () => {}, now = Date.now()) {
    const steps = {};
    const done = async (step, work) => told(step, steps[step] = await settled(work));
    let opening, receipt, policy, published;
    await done("content", async () => { opening = await source.opening(); return content(opening, shown); });
    await done("inclusion", async () => {
      if (!opening) throw new Unknown("unreachable");
      const text = await source.receipt();
      if (text === null) {
        notOverdue(opening, now, hoursOf(await source.terms()));
        return { state: "wait", key: "inclusion.wait", values: {} };
      }
      receipt = parseReceipt(text);
      policy = await parsePolicy(await source.policy());
      if (receipt.note.origin !== opening.log) throw new Bad("inclusion.other");
      published = parseNote(await source.checkpoint());
      if (published.origin !== opening.log) throw new Bad("inclusion.other");
      return inclusion(base64(opening.leaf), receipt, published, source.file);
    });
    const blank = { state: steps.inclusion.state === "wait" ? "wait" : "unknown", key: "later", values: {} };
    await done("signature", async () => (receipt && policy ? signature(published ? [receipt.note, published] : [receipt.note], policy) : blank));
    await done("witnesses", async () => (receipt && policy ? witnesses(receipt.note, policy) : blank));
    return { state: verdict(steps), steps, receipt };
  }

  function verdict(steps) {
    if (steps.content.state === "bad") return "content";
    if (steps.signature.state === "bad") return "signature";
    if (steps.inclusion.state === "bad") return ["inclusion.missing", "inclusion.entry", "inclusion.path"].includes(steps.inclusion.key) ? "missing" : "log";
    if (steps.witnesses.state === "bad") return "witnesses";
    const unknown = Object.values(steps).filter((s) => s.state === "unknown");
    if (unknown.length === 1 && steps.witnesses.key === "witnesses.few") return "few";
    if (unknown.length) return "unreachable";
    return steps.inclusion.state === "wait" ? "pending" : "verified";
  }

  return {
    Bad, Unknown, check, committed, continues, parseNote, parsePolicy, parseReceipt, rootOf, leafHash, nodeHash, Tiles,
    base64, equal, hash32, hoursOf, notOverdue, sha256, signature, witnesses,
  };
})();
