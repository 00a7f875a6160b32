// The table explorer: tables, rows by filters, one row with its trace.
import { ask, h, state } from "./app.js";
import { ago, count, cut, shown } from "./draw.js";
import { data, link, missingPage, PAGE_ROWS, panel, sheet, statusOf } from "./parts.js";

export function tablesPage() {
  const holder = h("div", {});
  const update = () => holder.replaceChildren(sheet([{ title: "Table", cell: (t) => h("a", { href: link("table", t.table) }, t.table) },
    { title: "Rows", cell: (t) => (t.transforms.length ? count(statusOf(t.transforms[0]).rows) : null), number: true }, { title: "Key", cell: (t) => t.key.join(", ") },
    { title: "Written by", cell: (t) => (t.transforms.length ? h("span", {}, ...t.transforms.flatMap((name, i) => [i ? ", " : "", h("a", { href: link("transform", name) }, name)])) : "reference") },
    { title: "Columns", cell: (t) => String(t.columns.length), number: true }], state.flow.tables));
  update();
  return { nodes: [panel("Tables", null, holder)], update };
}

const OPS = { eq: "=", neq: "≠", gt: ">", gte: "≥", lt: "<", lte: "≤", like: "like", ilike: "like, any case", in: "in", is: "is" };
const NUMBERS = ["int64", "float64", "int256"];

function filterForm(table, params, go) {
  const column = h("select", { "aria-label": "Column" }, ...table.columns.map((c) => h("option", { value: c.name }, c.name)));
  const op = h("select", { "aria-label": "Comparison" }, ...Object.entries(OPS).map(([value, text]) => h("option", { value }, text)));
  const value = h("input", { "aria-label": "Value", placeholder: "value" });
  const form = h("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    params.append("filter." + column.value, `${op.value}.${op.value === "in" && !value.value.startsWith("(") ? `(${value.value})` : value.value}`);
    params.delete("offset");
    go();
  } }, column, op, value, h("button", {}, "Filter"));
  const chips = [...params].filter(([key]) => key.startsWith("filter.")).map(([key, text]) => h("li", { class: "chip" }, data(`${key.slice(7)} ${text.replace(/^(not\.)?(\w+)\./, (all, not, word) => `${not ? "not " : ""}${OPS[word] ?? word} `)}`),
    h("button", { class: "plain", "aria-label": `Remove the filter on ${key.slice(7)}`, onclick: () => { const rest = [...params].filter((pair) => pair[0] !== key || pair[1] !== text); for (const name of [...params.keys()]) params.delete(name); rest.forEach(([k, v]) => params.append(k, v)); params.delete("offset"); go(); } }, "✕")));
  return [form, chips.length ? h("ul", { class: "chips" }, ...chips) : null];
}

function cellOf(value, type) {
  if (value === null || value === undefined) return h("span", { class: "null" }, "null");
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return h("span", { class: "data" + (type === "bytes" || type === "json" || type === "int256" ? " mono" : "") }, cut(text, 120));
}

// Counting what fits a filter may take longer than showing it.
async function countLater(table, asked, place) {
  const question = new URLSearchParams(asked);
  question.set("limit", 0);
  question.delete("offset");
  question.delete("order");
  const answer = await ask(`/api/v1/tables/${encodeURIComponent(table)}/rows?${question}`, { Prefer: "count=exact" }).catch(() => null);
  if (answer) place.textContent = ` of ${count(Number(answer.range.split("/")[1]))}`;
}

const rowLink = (table, key) => link("row", table) + "?" + new URLSearchParams(key.map((value) => ["key", typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)]));

function valuesOf(table, row) {
  return h("div", { class: "scroll" }, h("table", { class: "values" }, h("tbody", {}, ...table.columns.map((c) => h("tr", {}, h("th", { scope: "row" }, c.name), h("td", { class: "dim" }, c.type),
    h("td", { class: "message" }, row[c.name] === null || row[c.name] === undefined ? h("span", { class: "null" }, "null") : h("code", { class: "data" }, shown(typeof row[c.name] === "object" ? JSON.stringify(row[c.name]) : row[c.name]))))))));
}

export async function tablePage(to) {
  const table = state.flow.tables.find((one) => one.table === to.argument);
  if (!table) return missingPage();
  const params = new URLSearchParams(to.query);
  const offset = Number(params.get("offset") ?? 0);
  const go = () => { location.hash = link("table", table.table) + (params.size ? "?" + params : ""); };
  const asked = new URLSearchParams(params);
  asked.set("limit", PAGE_ROWS + 1);
  const filtered = [...params.keys()].some((key) => key.startsWith("filter."));
  const rows = await ask(`/api/v1/tables/${encodeURIComponent(table.table)}/rows?${asked}`, { Prefer: "int64=text" });
  const more = rows.length > PAGE_ROWS;
  const total = h("span", {});
  if (filtered && (more || offset)) countLater(table.table, asked, total);
  else if (filtered) total.textContent = ` of ${count(rows.length)}`;
  else if (statusOf(table.transforms[0]).rows !== undefined) total.textContent = ` of ${count(statusOf(table.transforms[0]).rows)}`;
  const [sorted, direction] = (params.get("order") ?? "").split(".");
  const detail = h("div", {});
  const open = (row, line) => {
    for (const other of line.parentElement.children) other.removeAttribute("aria-selected");
    line.setAttribute("aria-selected", "true");
    detail.replaceChildren(panel("The row", h("a", { href: rowLink(table.table, table.key.map((name) => row[name])) }, "where it came from, and what depends on it"), valuesOf(table, row)));
    detail.scrollIntoView({ block: "nearest" });
  };
  const columns = table.columns.map((c) => ({ number: NUMBERS.includes(c.type), class: NUMBERS.includes(c.type) ? "" : "data", cell: (row) => (c.name === table.key[0] ? h("a", { href: rowLink(table.table, table.key.map((name) => row[name])) }, cellOf(row[c.name], c.type)) : cellOf(row[c.name], c.type)),
    title: h("button", { class: "plain", "aria-label": `Sort by ${c.name}`, onclick: () => { params.set("order", c.name + (sorted === c.name && direction !== "desc" ? ".desc" : ".asc")); params.delete("offset"); go(); } }, c.name + (sorted === c.name ? (direction === "desc" ? " ↓" : " ↑") : ""), " ", h("span", { class: "dim" }, table.key.includes(c.name) ? "key" : "")) }));
  const first = rows.length ? offset + 1 : 0;
  const pager = h("div", { class: "split" }, h("span", { class: "dim" }, `${count(first)} to ${count(offset + Math.min(rows.length, PAGE_ROWS))}`, total),
    h("span", {}, h("button", { disabled: offset === 0, onclick: () => { params.set("offset", Math.max(0, offset - PAGE_ROWS)); go(); } }, "Before"), " ", h("button", { disabled: !more, onclick: () => { params.set("offset", offset + PAGE_ROWS); go(); } }, "Next")));
  const shownRows = rows.slice(0, PAGE_ROWS);
  return { nodes: [h("section", { class: "panel" }, h("div", { class: "title" }, h("h1", {}, table.table), h("span", { class: "dim" }, table.transforms.length ? "written by " : "reference table", ...table.transforms.flatMap((name, i) => [i ? ", " : "", h("a", { href: link("transform", name) }, name)]))),
    ...filterForm(table, params, go).filter(Boolean)), h("section", { class: "panel" }, sheet(columns, shownRows, { open, empty: "No row fits." }), pager), detail] };
}

// ---- one row: its values, the record it was made from, the rows it was made from, and those that depend on it ----
const keyText = (row) => Object.entries(row.key).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
const nameOf = (row) => h("a", { href: rowLink(row.table, Object.values(row.key)) }, data(`${row.table}  ${cut(keyText(row), 80)}`));

function recordOf(row) {
  const r = row.record;
  if (!r) return h("p", { class: "note" }, "Its raw record was not found among the newest batches.");
  return h("div", { class: "record" }, h("p", { class: "note" }, `record ${count(r.record)} of `, h("a", { href: link("source", r.source) }, data(r.source)), ", ", data(r.partition), ` in batch ${count(r.batch_id)}, staged ${ago(r.staged)}`, r.transform ? [", by ", h("a", { href: link("transform", r.transform) }, data(r.transform))] : null),
    r.kept ? h("pre", { tabindex: "0" }, shown(r.raw), r.whole ? null : "…") : h("p", { class: "note" }, "Retention let the raw record go."));
}

// The steps of a row in one direction, and of the rows they name.
function stepsOf(trace, id, direction, seen = new Set([id])) {
  return trace.steps.filter((step) => step.row === id && step.direction === direction).map((step) => {
    const rows = step.listed.map((one) => ({ ...one, row: trace.rows[one.row], id: one.row }));
    const head = h("p", { class: "note" }, direction === "up" ? "by " : "through ", h("a", { href: link("transform", step.transform) }, data(step.transform)), ` (${step.kind}), `, step.rows === 1 ? `1 row of ${step.table}` : `${count(step.rows)} rows of ${step.table}`,
      rows.length < step.rows ? `, ${count(rows.length)} named` : "", step.adds_up === false ? h("span", { class: "warn" }, "; they do not add up to this row") : "");
    return h("div", { class: "step" }, head, h("ul", { class: "rows" }, ...rows.map((one) => {
      const again = seen.has(one.id);
      const next = again ? [] : stepsOf(trace, one.id, direction, new Set([...seen, one.id]));
      return h("li", {}, nameOf(one.row), one.gives ? h("span", { class: "dim data" }, "  " + cut(Object.entries(one.gives).map(([name, value]) => `${name} ${value}`).join(", "), 80)) : null,
        direction === "up" && one.row.from_map ? h("details", {}, h("summary", {}, "its raw record"), recordOf(one.row)) : null, ...next);
    })));
  });
}

function tracePanels(trace) {
  const up = stepsOf(trace, 0, "up"), down = stepsOf(trace, 0, "down");
  const search = trace.search;
  return [panel("Came from", null, trace.rows[0].from_map ? recordOf(trace.rows[0]) : null, ...up, !trace.rows[0].from_map && !up.length ? h("p", { class: "note" }, "No transform writes this table.") : null,
    search.missing ? h("p", { class: "note" }, `${count(search.missing)} records were not found in the ${count(search.batches)} batches searched${search.stopped ? "; there are more, and plumb trace searches them" : ""}.`) : null),
  panel("Depends on it", null, ...(down.length ? down : [h("p", { class: "note" }, "Nothing: no transform reads this table.")]))];
}

export async function rowPage(to) {
  const table = state.flow.tables.find((one) => one.table === to.argument);
  if (!table) return missingPage();
  const keys = "?" + new URLSearchParams(to.query.getAll("key").map((value) => ["key", value]));
  const path = `/api/v1/tables/${encodeURIComponent(table.table)}`;
  const row = await ask(`${path}/rows${keys}`, { Prefer: "int64=text" });
  const holder = h("div", { class: "stack", "aria-live": "polite" }, panel("Came from", null, h("p", { class: "note" }, "Looking through the store …")));
  // What it came from may be a million rows: the row is shown before that is known.
  ask(`${path}/trace${keys}`, {}, true).then((trace) => holder.replaceChildren(...tracePanels(trace)),
    (error) => holder.replaceChildren(panel("Came from", null, h("p", { class: "note" }, shown(error.message)))));
  return { nodes: [h("section", { class: "panel" }, h("div", { class: "title" }, h("h1", {}, h("a", { href: link("table", table.table) }, table.table)), h("span", { class: "dim data" }, cut(to.query.getAll("key").join(", "), 120))), valuesOf(table, row)), holder] };
}
