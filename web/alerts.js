// The page of checks and alerts: what fires, who has taken it on, what is kept quiet, and doing both.
import { ask, h, query, state } from "./app.js";
import { ago, count, cut } from "./draw.js";
import { data, dialog, PAGE_ROWS, panel, pill, redraw, sheet } from "./parts.js";

const toneOfState = (word) => ({ ok: "good", resolved: "good", learning: "", pending: "warn", warn: "warn", acknowledged: "warn", error: "bad", unknown: "bad", firing: "bad" })[word] ?? "";
const command = (text) => h("code", { class: "data" }, text);
const OPEN_MAX = 100;
const TIMES = { "30m": "30 minutes", "2h": "2 hours", "8h": "8 hours", "1d": "a day", "7d": "a week" };
const by = { name: "by", label: "Your name", required: true, maxlength: 100, autocomplete: "name" };

// An alert with those it explains below it; newest causes first.
function grouped(alerts) {
  const roots = alerts.filter((a) => !a.parent || !alerts.some((other) => other.id === a.parent));
  return roots.flatMap((root) => [root, ...alerts.filter((a) => a.parent === root.id && a !== root).map((a) => ({ ...a, below: true }))]);
}

function takeOn(alert, done) {
  dialog({ title: `Take on alert ${alert.id}`, note: data(cut(alert.summary, 200)), action: "Take it on", done,
    fields: [by, { name: "note", label: "Note", long: true, maxlength: 500 }],
    send: (values) => ({ method: "POST", path: `/api/v1/alerts/${alert.id}/ack`, body: { by: values.by, note: values.note || null } }) });
}

function silence(alert, done) {
  dialog({ title: "Keep a check quiet", note: "What fires is still listed here; nobody is told of it.", action: "Silence", done,
    fields: [{ name: "check", label: "Check, or a pattern with * and ?", required: true, maxlength: 200, value: alert.check }, { name: "for", label: "For", options: TIMES, value: "2h" }, { name: "because", label: "Why", required: true, maxlength: 500, long: true }, by],
    send: (values) => ({ method: "POST", path: "/api/v1/silences", body: values }) });
}

function unsilence(one, done) {
  dialog({ title: `End silence ${one.id}`, note: data(`of ${one.matcher}, by ${one.author}: ${cut(one.reason, 200)}`), action: "End it", done, fields: [],
    send: () => ({ method: "DELETE", path: `/api/v1/silences/${one.id}` }) });
}

function alertSheet(rows, empty, done) {
  const buttons = (a) => h("span", { class: "buttons" }, a.state === "acknowledged" ? null : h("button", { id: "ack-" + a.id, class: "small", "aria-label": `Take on alert ${a.id}`, onclick: () => takeOn(a, done) }, "Take on"),
    a.silenced ? null : h("button", { id: "silence-" + a.id, class: "small", "aria-label": `Silence ${a.check}`, onclick: () => silence(a, done) }, "Silence"));
  return sheet([{ title: "Alert", cell: (a) => count(a.id), number: true },
    { title: "State", cell: (a) => h("span", { class: "buttons" }, pill(toneOfState(a.state === "firing" ? a.severity : a.state), a.state === "firing" ? a.severity : a.state), a.silenced ? pill("quiet", "silenced") : null) },
    { title: "Check", cell: (a) => h("span", {}, a.below ? h("span", { class: "dim" }, "↳ ") : "", data(a.check)) }, { title: "What", cell: (a) => data(cut(a.summary, 200)), class: "message" },
    { title: "Since", cell: (a) => ago(a.opened) }, ...(done ? [] : [{ title: "Until", cell: (a) => (a.resolved ? ago(a.resolved) : null) }]),
    { title: "Taken on by", cell: (a) => (a.acknowledged_by ? data(a.acknowledged_by + (a.note ? ": " + cut(a.note, 80) : "")) : null) },
    ...(rows.some((a) => a.undelivered) ? [{ title: "Not delivered", cell: (a) => (a.undelivered ? h("span", { class: "bad" }, count(a.undelivered)) : null), number: true }] : []),
    ...(done && state.flow.writes ? [{ title: "", cell: buttons, class: "acts" }] : [])], rows, { empty, cards: true });
}

const CHECKS_MAX = 100;
const worst = ["error", "unknown", "warn", "pending", "learning"]; // then those that are as they should be
const rank = (c) => (worst.indexOf(c.state) + worst.length + 1) % (worst.length + 1);
const checkColumns = [{ title: "Check", cell: (c) => data(c.check) }, { title: "State", cell: (c) => pill(toneOfState(c.state), c.state) }, { title: "Value", cell: (c) => data(c.value ?? ""), number: true }, { title: "What", cell: (c) => data(cut(c.message ?? "", 200)), class: "message" },
  { title: "Kind", cell: (c) => c.kind }, { title: "Of", cell: (c) => data(c.subject) }, { title: "Since", cell: (c) => ago(c.since) }, { title: "Looked at", cell: (c) => ago(c.evaluated) }];
const noticeColumns = [{ title: "Notice", cell: (n) => count(n.id), number: true }, { title: "Route", cell: (n) => data(n.route) }, { title: "Event", cell: (n) => n.event }, { title: "Alert", cell: (n) => count(n.alert), number: true },
  { title: "When", cell: (n) => ago(n.created) }, { title: "Why", cell: (n) => data(cut(n.error ?? "", 200)), class: "message" }];

function silenceSheet(rows, done) {
  return sheet([{ title: "Silence", cell: (s) => count(s.id), number: true }, { title: "Checks", cell: (s) => data(s.matcher) }, { title: "Until", cell: (s) => data(s.until.slice(0, 16).replace("T", " ") + " UTC") }, { title: "By", cell: (s) => data(s.author) },
    { title: "Why", cell: (s) => data(cut(s.reason, 200)), class: "message" },
    ...(state.flow.writes ? [{ title: "", class: "acts", cell: (s) => h("button", { id: "end-" + s.id, class: "small", "aria-label": `End silence ${s.id}`, onclick: () => unsilence(s, done) }, "End") }] : [])], rows, { cards: true });
}

function howTo(alert) {
  const name = state.flow.flow;
  return h("p", { class: "note" }, "This page only reads. On the machine: ", command(`plumb alerts ack ${name} ${alert.id} --note "..."`), " or ", command(`plumb alerts silence ${name} ${alert.check} --for 2h --because "..."`),
    ". With ", command("--write-token-file"), " it can be done here.");
}

export async function alertsPage(to) {
  const holder = h("div", { class: "stack" });
  let last = "";
  const load = async () => {
    const [open, past, checks, silences, failed] = await Promise.all([ask("/api/v1/alerts" + query({ state: "open", limit: OPEN_MAX })), ask("/api/v1/alerts" + query({ before: to.query.get("before"), check: to.query.get("check"), state: "resolved", limit: PAGE_ROWS })),
      ask("/api/v1/checks"), ask("/api/v1/silences"), ask("/api/v1/notices" + query({ state: "failed", limit: PAGE_ROWS }))]);
    const now = JSON.stringify([open, past, checks, silences, failed]);
    if (now === last) return;
    const on = silences.filter((s) => !s.ended && Date.parse(s.until) > Date.now());
    const nodes = [
      h("section", { class: "panel" + (open.some((a) => a.severity === "error" && a.state === "firing") ? " alarm" : "") }, h("h2", {}, "Open alerts", h("span", { class: "dim" }, open.length === OPEN_MAX ? `the newest ${open.length}` : "one for each cause; what it explains stands below it")), alertSheet(grouped(open), "Nothing fires.", load),
        open.length && !state.flow.writes ? howTo(open[0]) : null),
      on.length ? panel("Silences", null, silenceSheet(on, load)) : null,
      panel("Checks", checks.length > CHECKS_MAX ? `the ${CHECKS_MAX} that stand worst of ${count(checks.length)}` : "as they were judged last, from what the store says", sheet(checkColumns, checks.sort((a, b) => rank(a) - rank(b)).slice(0, CHECKS_MAX), { empty: "The flow has no checks.", cards: true })),
      failed.length ? panel("Never delivered", "given up after a day, or refused for good", sheet(noticeColumns, failed, { cards: true })) : null,
      panel("Alerts that are over", null, alertSheet(past, "None yet."), past.length === PAGE_ROWS ? h("p", { class: "note" }, h("a", { href: "#/alerts?" + new URLSearchParams({ before: past.at(-1).id }) }, "Older ones")) : null),
    ].filter(Boolean);
    if (redraw(holder, nodes)) last = now;
  };
  await load();
  return { nodes: [holder], update: () => load().catch(() => null) };
}
