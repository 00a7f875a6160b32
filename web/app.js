// What is asked of the server and when, and which page is shown. Pages are in pages.js, drawings in draw.js.
import { ago } from "./draw.js";
import { pages } from "./pages.js";

const POLL_MS = 2000;
const HISTORY_EVERY = 3; // polls
const ALERTS_MAX = 100; // open ones that are counted

// ---- elements: text is only ever text ----
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// ---- asking ----
export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}
// Whole numbers that a number here cannot hold become text: of strings in the JSON nothing is touched.
const LARGE = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
const exact = (json) => json.replace(LARGE, (piece) => (piece[0] === '"' ? piece : `"${piece}"`));

export async function ask(path, headers = {}, large = false) {
  const token = sessionStorage.getItem("token");
  const response = await fetch(path, { headers: { ...headers, ...(token ? { Authorization: "Bearer " + token } : {}) } });
  const text = await response.text();
  if (response.status === 401) {
    askForToken();
    throw new Refused(401, "a token is needed");
  }
  let answer = null;
  try { answer = JSON.parse(large ? exact(text) : text); } catch { throw new Refused(response.status, "the answer is not JSON"); }
  if (!response.ok && !path.startsWith("/health")) throw new Refused(response.status, answer?.error?.message ?? response.statusText);
  answer.range = response.headers.get("Content-Range");
  answer.asOf = Date.parse(response.headers.get("X-Plumb-As-Of"));
  return answer;
}
// Something is changed: the write token goes along, and what is refused is told to who asked.
export async function change({ method, path, body }) {
  const token = sessionStorage.getItem("write-token") ?? "";
  const response = await fetch(path, { method, headers: { Authorization: "Bearer " + token, ...(body ? { "Content-Type": "application/json" } : {}) }, body: body ? JSON.stringify(body) : undefined });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, answer?.error?.message ?? response.statusText);
  return answer;
}
export const query = (values) => {
  const text = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();
  return text ? "?" + text : "";
};

// ---- what all pages share ----
export const state = { flow: null, status: null, health: null, history: null, alerts: null, lost: null };
let polls = 0;
let shownPage = null;
let asksToken = false;

function askForToken() {
  if (asksToken) return;
  asksToken = true;
  const input = h("input", { type: "password", name: "token", autocomplete: "current-password", "aria-label": "Token", required: true });
  const form = h("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", input.value);
    asksToken = false;
    state.flow = null;
    poll();
  } }, input, h("button", { class: "primary" }, "Open"));
  document.getElementById("page").replaceChildren(h("section", { class: "panel" }, h("h2", {}, "This server asks for its token"), form));
  input.focus();
}

function chrome() {
  const pulse = document.getElementById("pulse");
  const problems = state.health?.problems ?? 0;
  const troubles = (state.status?.troubles.length ?? 0) + (state.status?.database?.length ?? 0) + (state.status?.transforms.filter((t) => t.attempts > 0).length ?? 0);
  const firing = (state.alerts ?? []).filter((a) => a.state === "firing" && !a.parent && !a.silenced);
  const more = state.alerts?.length === ALERTS_MAX ? "+" : "";
  document.getElementById("flow-name").textContent = state.flow?.flow ?? "plumb";
  document.title = (problems + firing.length ? `(${problems + firing.length}) ` : "") + (state.flow?.flow ?? "plumb");
  if (state.lost) {
    pulse.replaceChildren(h("span", { class: "pill bad" }, "no answer"));
    return;
  }
  const word = !state.health ? null : problems ? h("a", { class: "pill bad", href: "#/" }, problems === 1 ? "1 problem" : `${problems} problems`)
    : firing.length ? h("a", { class: "pill " + (firing.some((a) => a.severity === "error") ? "bad" : "warn"), href: "#/alerts" }, firing.length === 1 ? "1 alert" : `${firing.length}${more} alerts`)
    : troubles ? h("a", { class: "pill warn", href: "#/" }, troubles === 1 ? "1 trouble" : `${troubles} troubles`)
    : h("span", { class: "pill good" }, "well");
  const last = state.health?.last_commit ? `committed ${ago(state.health.last_commit)}` : "no commit yet";
  // Told again only when it changed: a screen reader reads it out.
  const text = `${word?.textContent} ${last}`;
  if (pulse.dataset.text !== text) {
    pulse.dataset.text = text;
    pulse.replaceChildren(h("span", { class: "when" }, last), ...(word ? [word] : []));
  }
}

function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("?")[0].split("/").map(decodeURIComponent);
  return { name: parts[0] || "flow", argument: parts.slice(1).join("/"), query: new URLSearchParams(location.hash.split("?")[1] ?? "") };
}

async function open() {
  if (asksToken || !state.flow) return;
  const to = route();
  const page = pages[to.name] ?? pages.missing;
  for (const link of document.querySelectorAll("#nav a")) {
    const own = link.getAttribute("href").slice(2) || "flow";
    const here = own === to.name || (own === "flow" && ["transform", "source"].includes(to.name)) || (own === "tables" && ["table", "row"].includes(to.name));
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    if (here) link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.offsetLeft - 40; // on a phone they do not all fit
  }
  const root = document.getElementById("page");
  const mine = (shownPage = { hash: location.hash });
  try {
    const made = await page(to);
    if (shownPage !== mine) return; // another page was asked for meanwhile
    mine.update = made.update;
    root.replaceChildren(...made.nodes);
  } catch (error) {
    if (shownPage === mine && !asksToken) root.replaceChildren(h("section", { class: "panel alarm" }, h("h2", {}, "That did not work"), h("p", { class: "note" }, error.message)));
  }
}

async function poll() {
  if (asksToken || document.hidden) return;
  try {
    const first = !state.flow;
    const now = (due, path, old) => (due ? ask(path) : old); // all at once: each answer has a journey of its own
    const [flow, history, status, health, alerts] = await Promise.all([now(first || polls % 30 === 0, "/api/v1/flow", state.flow), now(polls % HISTORY_EVERY === 0, "/api/v1/history?minutes=5", state.history),
      ask("/api/v1/status"), ask("/health"), ask("/api/v1/alerts?state=open&limit=" + ALERTS_MAX)]);
    Object.assign(state, { flow, history, status, health, alerts, lost: null });
    polls++;
    chrome();
    if (first) await open(); else shownPage?.update?.();
  } catch (error) {
    if (error.status === 401) return;
    state.lost = error;
    chrome();
    if (!state.flow) document.getElementById("page").replaceChildren(h("p", { class: "empty" }, `Waiting for the flow: ${error.message}`));
  }
}

addEventListener("hashchange", async () => { await open(); document.getElementById("page").focus({ preventScroll: true }); scrollTo(0, 0); });
addEventListener("visibilitychange", poll);
poll();
setInterval(poll, POLL_MS);
