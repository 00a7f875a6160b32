// The pages. Each is a function of the route to {nodes, update}; update is called when new facts came.
import { alertsPage } from "./alerts.js";
import { ask, h, query, state } from "./app.js";
import { ago, bars, bytes, count, cut, duration, graph, legend, lines, ribbon, short, shown } from "./draw.js";
import { rowPage, tablePage, tablesPage } from "./explorer.js";
import { data, facts, link, missingPage, PAGE_ROWS, panel, pill, sheet, statusOf } from "./parts.js";

const SERIES_MAX = 6;

// ---- what the status says, for the graph ----
const RATE_SECONDS = 30;
function rateOver(list, key, name, field) {
  const since = Date.parse(state.history?.to ?? 0) - RATE_SECONDS * 1000;
  return (list ?? []).filter((one) => one[key] === name && Date.parse(one.at) >= since).reduce((sum, one) => sum + one[field], 0) / RATE_SECONDS;
}
const rateOf = (source) => rateOver(state.history?.sources, "source", source, "records");
const mapRate = (transform) => rateOver(state.history?.transforms, "transform", transform, "rows_in");
function toneOf(t) {
  if (t.attempts > 0 || t.failed_keys > 0) return "bad";
  if (t.batches_behind > 0 || t.waiting > 0 || (t.state && t.state !== "ok")) return "warn";
  return "good";
}

function sourceNode(source) {
  const now = state.status.sources.find((one) => one.source === source.source) ?? {};
  const troubles = state.status.troubles.filter((one) => one.source === source.source);
  const rate = rateOf(source.source);
  const rejected = now.rejected ?? 0;
  return { id: "s:" + source.source, name: source.source, about: source.type + " source", kind: "source", href: link("source", source.source), inputs: [],
    tone: troubles.length ? "bad" : now.batches_behind > 0 ? "warn" : "good",
    lines: [{ label: "records", value: short(now.records ?? 0) + (rate >= 0.5 ? `  +${short(rate)}/s` : "") },
      { label: "last batch", value: ago(now.last_batch) },
      ...(rejected ? [{ label: "rejected", value: short(rejected), tone: "warn" }] : []),
      ...(troubles.length ? [{ label: "troubles", value: String(troubles.length), tone: "bad" }] : [])] };
}

function tableNode(table) {
  const made = state.flow.transforms.filter((t) => t.into === table.table);
  const now = made.map((t) => statusOf(t.transform));
  const tones = now.map(toneOf);
  const tone = tones.includes("bad") ? "bad" : tones.includes("warn") ? "warn" : "good";
  const node = { id: "t:" + table.table, name: table.table, kind: "table", inputs: [], tone, lines: [],
    about: made.length ? made.map((t) => t.kind).filter((kind, i, all) => all.indexOf(kind) === i).join(", ") : "reference",
    href: made.length === 1 ? link("transform", made[0].transform) : link("table", table.table) };
  if (made.length) node.lines.push({ label: "rows", value: short(now[0].rows ?? 0) });
  made.forEach((t, i) => {
    const busy = now[i].batches_behind ? `${short(now[i].batches_behind)} behind` : now[i].waiting ? `${short(now[i].waiting)} queued` : null;
    const text = now[i].attempts > 0 ? "waits" : now[i].failed_keys > 0 ? `${short(now[i].failed_keys)} keys failed` : busy ?? (now[i].state === "ok" || !now[i].state ? null : now[i].state);
    const rate = t.kind === "map" ? mapRate(t.transform) : 0;
    if (text || made.length > 1) node.lines.push({ label: made.length > 1 ? t.transform : "state", value: text ?? "ok", tone: tones[i] === "good" ? "" : tones[i] });
    if (rate >= 0.5) node.lines.push({ label: "in", value: short(rate) + " rows/s" });
    if (now[i].rejected > 0) node.lines.push({ label: "rejected", value: short(now[i].rejected), tone: "warn" });
    const behind = now[i].batches_behind, queued = now[i].waiting;
    const edge = { tone: tones[i] === "bad" ? "bad" : busy ? "warn" : "", flowing: rate >= 0.5, rate: rate >= 0.5 ? { text: short(rate) + "/s", about: `${short(rate)} rows a second into ${t.transform}` } : null,
      queue: behind || queued ? { text: short(behind || queued), about: behind ? `${count(behind)} batches wait for ${t.transform}` : `${count(queued)} changes wait for ${t.transform}` } : null };
    if (t.source) node.inputs.push({ ...edge, from: "s:" + t.source });
    for (const input of t.tables) node.inputs.push({ ...edge, from: "t:" + input });
  });
  return node;
}

// Tables in an order in which inputs come first: transforms have it already.
function graphNodes() {
  const order = [...new Set([...state.flow.tables.filter((t) => t.transforms.length === 0).map((t) => t.table), ...state.flow.transforms.map((t) => t.into)])];
  return [...state.flow.sources.map(sourceNode), ...order.map((name) => tableNode(state.flow.tables.find((t) => t.table === name)))];
}

function alarms() {
  const found = state.health?.findings ?? [];
  const young = state.status.troubles.filter((t) => !found.some((f) => f.subject === "source " + t.source));
  const waiting = state.status.transforms.filter((t) => t.attempts > 0 && !found.some((f) => f.subject === "transform " + t.transform));
  const rot = state.status.database ?? [];
  if (!found.length && !young.length && !waiting.length && !rot.length) return null;
  return h("section", { class: "panel alarm", id: "troubles" }, h("h2", {}, "What is wrong"),
    h("ul", { class: "findings" }, ...waiting.map((t) => h("li", {}, h("b", {}, data(`transform ${t.transform}`)), data(t.message), h("span", { class: "dim" }, `waits since ${ago(t.since)}, its input is kept`))), ...found.map((f) => h("li", {}, h("b", {}, data(f.subject)), data(f.finding))),
      ...young.map((t) => h("li", {}, h("b", {}, data(`source ${t.source}${t.partition ? ", " + t.partition : ""}`)), data(t.message), h("span", { class: "dim" }, `${t.class}, tried ${count(t.attempts)} times since ${ago(t.since)}`))),
      ...rot.map((d) => h("li", { class: "lesser" }, h("b", {}, data(`database, ${d.kind}: ${d.subject}`)), data(d.advice ?? ""), d.since ? h("span", { class: "dim" }, `since ${ago(d.since)}`) : null))));
}

// "12 of 100": open rejects against what is allowed.
function limitOf(kind, stage) {
  const l = state.status.limits.find((one) => one.kind === kind && one.stage === stage);
  return l ? [["Open rejects, of at most", `${count(l.open)} of ${count(l.max)}${l.of ? ` in the last ${count(l.of)}` : ""}`, l.stopped ? "bad" : null]] : [];
}

function marksPanel(transform) {
  const marks = state.status.marks.filter((m) => m.transform === transform).sort((a, b) => (b.last_batch - b.batch) - (a.last_batch - a.batch));
  return panel("How far it is", marks.length > PAGE_ROWS ? `the ${PAGE_ROWS} furthest behind of ${count(marks.length)} partitions` : null, sheet([{ title: "Source", cell: (m) => h("a", { href: link("source", m.source) }, data(m.source)) }, { title: "Partition", cell: (m) => data(m.partition), class: "data" },
    { title: "Batch", cell: (m) => count(m.batch), number: true }, { title: "of", cell: (m) => count(m.last_batch), number: true }, { title: "Behind", cell: (m) => (m.last_batch > m.batch ? h("span", { class: "warn" }, count(m.last_batch - m.batch)) : "0"), number: true }, { title: "Moved", cell: (m) => ago(m.updated) }], marks.slice(0, PAGE_ROWS), { empty: "It has taken no batch yet." }));
}

function flowPage() {
  const holder = h("div", { class: "scroll" });
  const above = h("div", {});
  const numbers = h("div", {});
  const title = h("h2", {});
  const update = () => {
    const focused = document.activeElement?.closest?.(".graph a")?.getAttribute("href");
    const sources = state.status.sources;
    const total = (key) => sources.reduce((sum, one) => sum + one[key], 0);
    const rate = sources.reduce((sum, one) => sum + rateOf(one.source), 0);
    const rejected = state.status.rejects.reduce((sum, one) => sum + one.rows, 0);
    numbers.replaceChildren(facts([["Records", count(total("records"))], ["Records a second", short(rate)], ["Batches", count(total("batches"))],
      ["Rejected rows", rejected ? h("a", { href: "#/rejects" }, count(rejected)) : "0"], ["Raw", bytes(total("raw_bytes"))], ["Kept", bytes(total("kept_bytes"))],
      ["Troubles", String(state.status.troubles.length), state.status.troubles.length ? "bad" : null]]));
    title.replaceChildren("The flow", h("span", { class: "dim" }, `as of ${ago(new Date(state.status.asOf).toISOString())}`));
    above.replaceChildren(...[alarms()].filter(Boolean));
    above.hidden = above.children.length === 0;
    holder.replaceChildren(graph(graphNodes(), Math.max(280, holder.clientWidth || innerWidth - 80)));
    if (focused) holder.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  };
  addEventListener("resize", () => { if (holder.isConnected) update(); });
  queueMicrotask(update);
  return { nodes: [above, h("section", { class: "panel" }, numbers), h("section", { class: "panel" }, title, holder), eventsPanel()].filter(Boolean), update };
}

function eventsPanel() {
  if (!state.status.schema_events.length) return null;
  return panel("The data's own schema", "last changes", sheet([{ title: "Source", cell: (e) => data(e.source) }, { title: "Event", cell: (e) => e.event.replace("_", " ") },
    { title: "Field", cell: (e) => h("code", { class: "data" }, shown(e.path)) }, { title: "Seen", cell: (e) => data(e.detail) }, { title: "When", cell: (e) => ago(e.at) }], state.status.schema_events.slice(0, 10)));
}

// ---- a transform ----
const BUCKETS = [1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7];
function latency(rows) {
  const sorted = rows.map((row) => row.duration_us).sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  const items = BUCKETS.map((bound, i) => ({ label: "\u2264" + duration(bound).replace(".0", ""), value: sorted.filter((d) => d <= bound && d > (BUCKETS[i - 1] ?? -1)).length }));
  const used = items.map((item, i) => (item.value ? i : -1)).filter((i) => i >= 0);
  return panel("How long a batch takes", `the last ${count(rows.length)}`, facts([["Half under", duration(at(0.5))], ["95 % under", duration(at(0.95))], ["99 % under", duration(at(0.99))], ["Longest", duration(at(1))]]),
    bars(items.slice(Math.max(0, used[0] - 1), used.at(-1) + 2), { label: `Distribution of durations: half under ${duration(at(0.5))}, 99 % under ${duration(at(0.99))}`, format: count }));
}

const ledgerColumns = [{ title: "Batch", cell: (l) => count(l.batch), number: true }, { title: "Applied", cell: (l) => ago(l.applied) },
  ...["rows_in", "inserted", "updated", "unchanged", "deleted", "superseded", "filtered", "rejected", "taken_back"].map((key) => ({ title: key.replace("_", " "), number: true,
    cell: (l) => (l[key] ? (key === "rejected" ? h("span", { class: "warn" }, count(l[key])) : count(l[key])) : h("span", { class: "dim" }, "0")) })),
  { title: "Took", cell: (l) => duration(l.duration_us), number: true }];

async function transformPage(to) {
  const t = state.flow.transforms.find((one) => one.transform === to.argument);
  if (!t) return missingPage();
  const ledger = t.kind === "map" ? await ask("/api/v1/ledger" + query({ transform: t.transform, limit: 500 })) : [];
  const top = h("section", { class: "panel" });
  const update = () => {
    const now = statusOf(t.transform);
    const tone = toneOf(now);
    top.replaceChildren(h("div", { class: "title" }, h("h1", {}, data(t.transform)), pill(tone, now.state ?? "has not run")), h("p", { class: "note" }, `${t.kind} from `,
      t.source ? h("a", { href: link("source", t.source) }, t.stream ?? t.source) : null, ...t.tables.flatMap((name, i) => [i ? ", " : "", h("a", { href: link("table", name) }, name)]), " into ", h("a", { href: link("table", t.into) }, t.into)),
      facts([["Rows", count(now.rows)], t.kind === "map" ? ["Batches behind", count(now.batches_behind), now.batches_behind ? "warn" : null] : ["Queued", count(now.waiting), now.waiting ? "warn" : null],
        ["Rejected", now.rejected ? h("a", { href: "#/rejects" + query({ transform: t.transform }) }, count(now.rejected)) : "0"], ["Failed keys", count(now.failed_keys), now.failed_keys ? "bad" : null], ...limitOf("transform", t.transform)]),
      ...(now.message ? [h("ul", { class: "findings" }, h("li", {}, h("b", {}, `Waits since ${ago(now.since)}; its input is kept`), data(now.message)))] : []));
  };
  update();
  const failed = state.status.failed_keys.filter((one) => one.transform === t.transform);
  return { nodes: [top, h("div", { class: "columns" }, ledger.length ? latency(ledger) : null, panel("SQL", null, h("pre", {}, h("code", {}, shown(t.sql).replaceAll("\u240a", "\n").replaceAll("\u2409", "\t"))),
    t.delete_when ? h("p", { class: "note" }, "Deletes when ", h("code", {}, shown(t.delete_when))) : null)),
    failed.length ? panel("Keys that failed", null, sheet([{ title: "Key", cell: (f) => h("code", { class: "data" }, shown(f.key)) }, { title: "Why", cell: (f) => data(f.message), class: "message" }], failed)) : null,
    t.kind === "map" ? panel("Last batches", null, sheet(ledgerColumns, ledger.slice(0, 30), { empty: "No batch yet." })) : null,
    t.kind === "map" ? marksPanel(t.transform) : h("p", { class: "note" }, "It follows in the transaction that changes its input, so it has no batches of its own; what waits is queued.")].filter(Boolean), update };
}

// ---- a source ----
async function sourcePage(to) {
  const source = state.flow.sources.find((one) => one.source === to.argument);
  if (!source) return missingPage();
  const batches = await ask("/api/v1/batches" + query({ source: source.source, limit: 30 }));
  const body = h("section", { class: "panel" });
  const troubles = h("div", {});
  const parts = h("div", {});
  const update = () => {
    const now = state.status.sources.find((one) => one.source === source.source) ?? {};
    const wrong = state.status.troubles.filter((one) => one.source === source.source);
    body.replaceChildren(h("div", { class: "title" }, h("h1", {}, data(source.source)), h("span", { class: "dim" }, source.type)), facts([["Records", count(now.records)], ["A second", short(rateOf(source.source))], ["Batches", count(now.batches)],
      ["Rejected", now.rejected ? h("a", { href: "#/rejects" + query({ source: source.source }) }, count(now.rejected)) : "0"], ["Behind", `${count(now.batches_behind)} batches`, now.batches_behind ? "warn" : null], ["Last batch", ago(now.last_batch)], ["Raw", bytes(now.raw_bytes ?? 0)], ["Kept", bytes(now.kept_bytes ?? 0)], ...limitOf("source", source.source)]));
    troubles.hidden = wrong.length === 0;
    troubles.replaceChildren(...(wrong.length ? [h("section", { class: "panel alarm" }, h("h2", {}, "Troubles"), h("ul", { class: "findings" }, ...wrong.map((t) => h("li", {}, h("b", {}, data(t.partition ?? "the whole source")), data(t.message), h("span", { class: "dim" }, `${t.class}, tried ${count(t.attempts)} times since ${ago(t.since)}`)))))] : []));
    const rows = state.status.partitions.filter((one) => one.source === source.source);
    parts.replaceChildren(panel("Partitions", rows.length > PAGE_ROWS ? `the ${PAGE_ROWS} that moved last of ${count(rows.length)}` : null, sheet([{ title: "Partition", cell: (p) => data(p.partition), class: "data" }, { title: "Records", cell: (p) => count(p.records), number: true },
      { title: "Rejected", cell: (p) => count(p.rejected), number: true }, { title: "Behind", cell: (p) => count(p.batches_behind), number: true }, { title: "Moved", cell: (p) => ago(p.updated) }, { title: "Cursor", cell: (p) => h("code", { class: "data" }, cut(p.cursor ?? "", 60)), class: "data" }], rows.slice(0, PAGE_ROWS))));
  };
  update();
  return { nodes: [troubles, body, parts, panel("Last batches", null, sheet([{ title: "Batch", cell: (b) => count(b.id), number: true }, { title: "Partition", cell: (b) => data(b.partition), class: "data" }, { title: "Records", cell: (b) => count(b.records), number: true },
    { title: "Rejected", cell: (b) => count(b.rejected), number: true }, { title: "Taken back", cell: (b) => count(b.taken_back), number: true }, { title: "Raw", cell: (b) => bytes(b.raw_bytes), number: true }, { title: "Staged", cell: (b) => ago(b.staged) }], batches)),
    ...state.status.facts.filter((one) => one.source === source.source).map((one) => panel("What it says of itself", ago(one.at), h("pre", { tabindex: "0" }, shown(JSON.stringify(one.facts, null, 2)).replaceAll("\u240a", "\n")))),
    ...source.streams.map((stream) => panel("Contract", stream.stream, h("ul", { class: "chips" }, ...stream.columns.map((c) => h("li", { class: "chip" }, c.name, h("span", { class: "dim" }, c.type))))))], update };
}

// ---- rejects ----
async function rejectsPage(to) {
  if (to.argument) return rejectPage(to.argument);
  const wanted = Object.fromEntries(to.query);
  const rows = await ask("/api/v1/rejects" + query({ ...wanted, limit: PAGE_ROWS }));
  const groups = state.status.rejects;
  const same = (g) => !wanted.state && Object.keys(wanted).filter((key) => key !== "before").length > 0 && ["source", "transform", "reason"].every((key) => wanted[key] === undefined || wanted[key] === (g[key] ?? ""));
  const last = rows.at(-1);
  return { nodes: [panel("Rejected rows", "set aside with their raw record, never dropped", h("ul", { class: "chips" }, h("li", {}, h("a", { class: "chip", href: "#/rejects", "aria-current": Object.keys(wanted).length ? null : "true" }, "all")),
    ...groups.map((g) => h("li", {}, h("a", { class: "chip", "aria-current": same(g) ? "true" : null, href: "#/rejects?" + new URLSearchParams({ source: g.source, transform: g.transform ?? "", reason: g.reason }) }, data(`${g.source}${g.transform ? " → " + g.transform : ""}: ${g.reason.replace("_", " ")}`), h("b", {}, count(g.rows))))),
    ...["discarded", "taken back"].map((one) => h("li", {}, h("a", { class: "chip", "aria-current": wanted.state === one ? "true" : null, href: "#/rejects?" + new URLSearchParams({ state: one }) }, one))))),
  h("section", { class: "panel" }, sheet([{ title: "Reject", cell: (r) => h("a", { href: link("rejects", r.id) }, count(r.id)), number: true }, { title: "When", cell: (r) => ago(r.at) }, { title: "Source", cell: (r) => data(r.source) }, { title: "Record", cell: (r) => count(r.record), number: true },
    { title: "Transform", cell: (r) => (r.transform ? data(r.transform) : h("span", { class: "dim" }, "decoding")) }, { title: "Reason", cell: (r) => r.reason.replace("_", " ") }, { title: "Message", cell: (r) => data(cut(r.message, 200)), class: "message" }], rows, { open: (r) => { location.hash = link("rejects", r.id); }, empty: "Nothing was rejected.", cards: true }),
  rows.length === PAGE_ROWS ? h("p", { class: "note" }, h("a", { href: "#/rejects?" + new URLSearchParams({ ...wanted, before: last.id }) }, "Older ones")) : null)] };
}

function marked(record, offset) {
  if (offset === null) return [shown(record.raw_before + record.raw_from)];
  const [first, ...rest] = [...record.raw_from];
  return [record.cut_before ? "\u2026" : "", shown(record.raw_before), h("mark", { title: `byte ${offset}` }, first === undefined ? "⟵ here" : shown(first)), shown(rest.join("")), record.cut_after ? "\u2026" : ""];
}

async function rejectPage(id) {
  const { reject: [r], record } = await ask("/api/v1/rejects/" + encodeURIComponent(id));
  return { nodes: [h("section", { class: "panel" }, h("div", { class: "title" }, h("h1", {}, `Reject ${count(r.id)}`), pill("warn", r.reason.replace("_", " ")), r.taken_back ? pill("good", "its record was taken back") : null, r.state === "discarded" ? pill("good", "discarded") : null), h("p", { class: "bad" }, data(r.message)),
    facts([["Source", h("a", { href: link("source", r.source) }, data(r.source))], ["Partition", data(r.partition)], ["Record", `${count(r.record)}, from 0`], ["Batch", count(r.batch)], ["Transform", r.transform ? h("a", { href: link("transform", r.transform) }, data(r.transform)) : "decoding"], r.column ? ["Column", data(r.column)] : null, ["When", ago(r.at)],
      r.discarded ? ["Discarded", data(`${ago(r.discarded)} by ${r.discarded_by}: ${r.discarded_because}`)] : null])),
  panel("The raw record", record.gone ? null : bytes(record.raw_bytes), record.gone ? h("p", { class: "note" }, data(record.gone)) : h("pre", { id: "raw", tabindex: "0" }, ...(record.header ? [h("span", { class: "dim" }, shown(record.header), "\n")] : []), ...marked(record, r.byte_offset)),
    !record.gone && !record.whole ? h("p", { class: "note" }, "Only its beginning is kept: the record was too large.") : null),
  h("p", { class: "note" }, h("a", { href: "#/rejects" }, "All rejects"))] };
}

// ---- history ----
const SPANS = { 15: "15 min", 60: "1 h", 360: "6 h", 1440: "1 day", 10080: "7 days" };
function seriesOf(list, key, value, from, to, step) {
  const totals = new Map();
  for (const item of list) totals.set(item[key], (totals.get(item[key]) ?? 0) + 1);
  const names = [...totals].sort((a, b) => b[1] - a[1]).slice(0, SERIES_MAX).map(([name]) => name);
  return names.map((name) => {
    const at = new Map(list.filter((item) => item[key] === name).map((item) => [Date.parse(item.at), item]));
    const points = [];
    for (let t = from; t <= to; t += step) points.push([t, at.has(t) ? value(at.get(t)) : 0]);
    return { name, points };
  });
}

async function historyPage(to) {
  const minutes = to.query.get("minutes") ?? "60";
  const holder = h("div", { class: "columns" });
  const draw = (history) => {
    const step = history.bucket_seconds * 1000, from = Date.parse(history.from), end = Date.parse(history.to);
    const per = history.bucket_seconds;
    const charts = [["Records a second", history.sources, "source", (x) => x.records / per, short], ["Rejected records a second, while decoding", history.sources, "source", (x) => x.rejected / per, short], ["Rows a second into maps", history.transforms, "transform", (x) => x.rows_in / per, short],
      ["Rows a second rejected by maps", history.transforms, "transform", (x) => x.rejected / per, short], ["Longest batch", history.transforms, "transform", (x) => x.longest_us, duration]];
    holder.replaceChildren(...charts.map(([title, list, key, value, format]) => {
      const series = seriesOf(list, key, value, from, end, step);
      return panel(title, null, lines({ series, from, to: end, format, label: `${title}, ${series.map((one) => shown(one.name)).join(", ")}` }), legend(series.map((one) => one.name)));
    }));
  };
  draw(await ask("/api/v1/history" + query({ minutes })));
  let asked = Date.now();
  return { nodes: [h("ul", { class: "chips" }, ...Object.entries(SPANS).map(([value, text]) => h("li", {}, h("a", { class: "chip", href: "#/history?minutes=" + value, "aria-current": value === minutes ? "true" : null }, text)))), holder],
    update: async () => {
      if (Date.now() - asked < Math.max(4000, minutes * 100)) return;
      asked = Date.now();
      const history = await ask("/api/v1/history" + query({ minutes })).catch(() => null);
      if (history && holder.isConnected) draw(history);
    } };
}

// ---- coverage ----
function merged(ranges) {
  const out = [];
  for (const { low, high } of ranges) {
    const last = out.at(-1);
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high); else out.push([low, high]);
  }
  return out;
}

async function coveragePage() {
  const rows = await ask("/api/v1/coverage");
  const groups = Map.groupBy ? Map.groupBy(rows, (row) => row.source + "\u0000" + row.partition) : rows.reduce((all, row) => { const key = row.source + "\u0000" + row.partition; all.set(key, [...(all.get(key) ?? []), row]); return all; }, new Map());
  if (groups.size === 0) {
    return { nodes: [panel("Coverage", null, h("p", { class: "empty" }, "No source of this flow tells which range of history it has read. Sources with positions of their own, blocks say, show here as ribbons with their gaps."))] };
  }
  return { nodes: [...groups.values()].map((list) => {
    const ranges = merged(list);
    const gaps = ranges.slice(1).map(([low], i) => [ranges[i][1] + 1, low - 1]);
    const missing = gaps.reduce((sum, [low, high]) => sum + high - low + 1, 0);
    return panel(data(list[0].source), data(list[0].partition), facts([["From", count(ranges[0][0])], ["To", count(ranges.at(-1)[1])], ["Gaps", count(gaps.length), gaps.length ? "bad" : null], ["Missing", count(missing), missing ? "bad" : null], ["Records", count(list.reduce((sum, row) => sum + row.records, 0))]]),
      ribbon(ranges, `Coverage of ${list[0].source} with ${gaps.length} gaps`), gaps.length > PAGE_ROWS ? h("p", { class: "note" }, `The first ${PAGE_ROWS} of ${count(gaps.length)} gaps:`) : null, gaps.length ? sheet([{ title: "Missing from", cell: (g) => count(g[0]), number: true }, { title: "to", cell: (g) => count(g[1]), number: true }, { title: "Positions", cell: (g) => count(g[1] - g[0] + 1), number: true }], gaps.slice(0, PAGE_ROWS), { kind: "gaps" }) : null);
  }) };
}

export const pages = { flow: flowPage, transform: transformPage, source: sourcePage, tables: tablesPage, table: tablePage, row: rowPage, alerts: alertsPage, rejects: rejectsPage, history: historyPage, coverage: coveragePage, missing: missingPage };
