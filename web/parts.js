// Pieces that pages are made of: panels, tables of facts, dialogs.
import { change, h, Refused, state } from "./app.js";
import { shown } from "./draw.js";

export const PAGE_ROWS = 50;
export const link = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");
export const panel = (title, aside, ...children) => h("section", { class: "panel" }, h("h2", {}, title, aside ? h("span", { class: "dim" }, aside) : null), ...children);
export const facts = (items) => h("dl", { class: "facts" }, ...items.filter(Boolean).map(([name, value, tone]) => h("div", {}, h("dt", {}, name), h("dd", { class: tone ?? "" }, value))));
export const data = (text) => h("span", { class: "data" }, shown(text));
export const pill = (tone, text) => h("span", { class: "pill " + tone }, text);

export const statusOf = (name) => state.status.transforms.find((one) => one.transform === name) ?? {};
export function missingPage() {
  return { nodes: [panel("There is nothing here", null, h("p", { class: "note" }, h("a", { href: "#/" }, "To the flow")))] };
}

// A table of facts: columns [{title, cell(row), number}]; cells are text or nodes. cards: on a phone each row is one.
export function sheet(columns, rows, { open, cards, kind, empty = "Nothing here." } = {}) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const body = rows.map((row) => {
    const line = h("tr", { class: open ? "open" : null }, ...columns.map((column) => {
      const value = column.cell(row);
      return h("td", { "data-title": column.title || null, class: [column.number ? "number" : "", column.class ?? ""].join(" ").trim() || null }, value === null || value === undefined ? h("span", { class: "null" }, "–") : value);
    }));
    if (open) line.addEventListener("click", (event) => { if (!event.target.closest("a, button")) open(row, line); });
    return line;
  });
  return h("div", { class: "scroll" }, h("table", { class: cards ? "cards" : kind }, h("thead", {}, h("tr", {}, ...columns.map((c) => h("th", { class: c.number ? "number" : null, scope: "col" }, c.title)))), h("tbody", {}, ...body)));
}

// Draws anew what a page shows without taking away where the reader is: what is focused, scrolled or marked stays.
export function redraw(holder, nodes) {
  const selection = getSelection();
  if (!selection.isCollapsed && holder.contains(selection.anchorNode)) return false;
  const focused = holder.contains(document.activeElement) ? document.activeElement.id : null;
  const scrolled = [...holder.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  holder.replaceChildren(...nodes);
  holder.querySelectorAll(".scroll").forEach((one, i) => { one.scrollLeft = scrolled[i] ?? 0; });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  return true;
}

// ---- changing something: a dialog that asks what is needed, says calmly why it was refused, and keeps what was typed ----
const KEPT = ["by", "write-token"]; // for this tab only
function field({ name, label, options, long, ...rest }) {
  const id = "field-" + name;
  const value = rest.value ?? (KEPT.includes(name) ? sessionStorage.getItem(name) ?? "" : "");
  const input = options ? h("select", { id, name }, ...Object.entries(options).map(([key, text]) => h("option", { value: key, selected: key === value }, text)))
    : h(long ? "textarea" : "input", { id, name, rows: long ? 3 : null, ...rest, value: long ? null : value });
  if (long) input.value = value;
  return h("div", { class: "field" }, h("label", { for: id }, label, rest.required || options ? null : h("span", { class: "dim" }, " if you like")), input);
}

// fields: [{name, label, required, maxlength, options, long}]; send(values) gives {method, path, body}; done() when it is so.
export function dialog({ title, note, action, fields, send, done }) {
  const wrong = h("p", { class: "bad", role: "alert" });
  const token = () => ({ name: "write-token", label: "Write token", type: "password", required: true, autocomplete: "off" });
  const inputs = h("div", { class: "fields" }, ...fields.map(field), sessionStorage.getItem("write-token") ? null : field(token()));
  const act = h("button", { class: "primary" }, action);
  const box = h("dialog", { class: "panel", "aria-labelledby": "dialog-title" }, h("h2", { id: "dialog-title" }, title), note ? h("p", { class: "note" }, note) : null,
    h("form", { onsubmit: async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(event.target));
      for (const name of KEPT) if (values[name]) sessionStorage.setItem(name, values[name]);
      delete values["write-token"];
      act.disabled = true;
      wrong.textContent = "";
      try {
        await change(send(values));
        box.close();
        await done();
      } catch (error) {
        wrong.textContent = error instanceof Refused ? shown(error.message) : "The server did not answer; it may not have been done.";
        if (error.status === 401) {
          sessionStorage.removeItem("write-token");
          wrong.textContent = "That is not the write token.";
          if (!inputs.querySelector("#field-write-token")) inputs.append(field(token()));
          inputs.querySelector("#field-write-token").focus();
        }
      } finally {
        act.disabled = false;
      }
    } }, inputs, wrong, h("div", { class: "actions" }, h("button", { type: "button", onclick: () => box.close() }, "Leave it"), act)));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}
