// Small drawings in SVG: the flow's graph, lines over time, bars, ribbons. No data ever becomes markup.
const SVG = "http://www.w3.org/2000/svg";

export function s(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// What a terminal or a browser would act on is shown instead of obeyed.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]|[\u{e0000}-\u{e0fff}]/gu;
export function shown(value) {
  return String(value).replace(CONTROL, (c) => {
    const code = c.codePointAt(0);
    if (code < 32) return String.fromCodePoint(0x2400 + code);
    return code === 0xfffd ? c : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  });
}
export function cut(text, letters) {
  const all = [...shown(text)];
  return all.length > letters ? all.slice(0, letters - 1).join("") + "\u2026" : all.join("");
}

// ---- numbers for people ----
export function count(n) {
  return n === null || n === undefined ? "–" : Number(n).toLocaleString("en-US").replaceAll(",", "\u202f");
}
export function short(n) {
  const size = Math.abs(n);
  if (size >= 1e9) return (n / 1e9).toFixed(1) + " G";
  if (size >= 1e6) return (n / 1e6).toFixed(1) + " M";
  if (size >= 1e4) return (n / 1e3).toFixed(0) + " k";
  if (size >= 100 || Number.isInteger(n)) return String(Math.round(n));
  return String(Number(n.toFixed(size >= 10 ? 1 : 2)));
}
export function bytes(n) {
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (n >= size) return (n / size).toFixed(1) + " " + unit;
  }
  return n + " B";
}
export function duration(us) {
  if (us < 1000) return Math.round(us) + " µs";
  if (us < 1e6) return (us / 1e3).toFixed(us < 1e4 ? 1 : 0) + " ms";
  if (us < 6e7) return (us / 1e6).toFixed(us < 1e7 ? 1 : 0) + " s";
  if (us < 36e8) return Math.floor(us / 6e7) + " min " + Math.floor((us % 6e7) / 1e6) + " s";
  if (us < 864e8) return Math.floor(us / 36e8) + " h " + Math.floor((us % 36e8) / 6e7) + " min";
  return Math.floor(us / 864e8) + " d";
}
export function ago(text, now = Date.now()) {
  if (!text) return "never";
  const us = (now - Date.parse(text)) * 1000;
  return us < 1.5e6 ? "just now" : duration(us) + " ago";
}
export function clock(time, withSeconds = false) {
  const d = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}${withSeconds ? ":" + two(d.getSeconds()) : ""}`;
}

// ---- the graph ----
const CARD = { width: 196, head: 46, line: 19, gapX: 70, gapY: 18 };
const GAP_MIN = 48, SCALE_MIN = 0.7; // of a flow too long for the window; more is scrolled

// An edge over several layers is led between the cards of those it passes, through places of its own.
function addGhosts(nodes, layers, byId) {
  for (const node of [...nodes]) {
    for (const edge of node.inputs) {
      let before = edge.from;
      edge.path = [];
      for (let layer = byId.get(edge.from).layer + 1; layer < node.layer; layer++) {
        const id = `${edge.from}>${layer}`;  // shared by all edges from there
        if (!byId.has(id)) {
          byId.set(id, { id, ghost: true, layer, width: CARD.width, height: 8, inputs: [{ from: before }] });
          layers[layer].push(byId.get(id));
        }
        edge.path.push(byId.get(id));
        before = id;
      }
      edge.before = before;
    }
  }
}

function layersOf(nodes, bypasses) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  // Inputs come first in the list, so one pass finds the longest way to each node.
  for (const node of nodes) {
    node.inputs = node.inputs.filter((edge) => byId.has(edge.from) && edge.from !== node.id);
    node.layer = Math.max(0, ...node.inputs.map((edge) => (byId.get(edge.from).layer ?? 0) + 1));
  }
  const layers = [];
  for (const node of nodes) (layers[node.layer] ??= []).push(node);
  if (bypasses) addGhosts(nodes, layers, byId);
  const dense = layers.filter(Boolean);
  for (const layer of dense) {
    for (const node of layer) {
      const places = node.inputs.map((edge) => byId.get(edge.before ?? edge.from).place ?? 0);
      node.wish = places.length ? places.reduce((a, b) => a + b, 0) / places.length : 0;
    }
    layer.sort((a, b) => a.wish - b.wish);
    layer.forEach((node, i) => { node.place = i / Math.max(1, layer.length - 1 || 1) + (layer.length === 1 ? node.wish : 0); });
  }
  return { layers: dense, byId };
}

function placeWide(layers, room) {
  const gap = Math.max(GAP_MIN, Math.min(CARD.gapX, (room / SCALE_MIN - layers.length * CARD.width) / Math.max(1, layers.length - 1)));
  const heights = layers.map((layer) => layer.reduce((sum, n) => sum + n.height + CARD.gapY, -CARD.gapY));
  const tallest = Math.max(...heights);
  layers.forEach((layer, i) => {
    let y = (tallest - heights[i]) / 2 + 1;
    for (const node of layer) {
      node.x = 1 + i * (CARD.width + gap);
      node.y = y;
      y += node.height + CARD.gapY;
    }
  });
  return { width: layers.length * (CARD.width + gap) - gap + 2, height: tallest + 2 };
}

function placeNarrow(layers, room) {
  const across = room >= 2 * CARD.width + 12 ? 2 : 1;
  const width = Math.min(CARD.width * 1.6, (room - 2 - (across - 1) * 12) / across);
  let y = 1;
  for (const layer of layers) {
    for (let i = 0; i < layer.length; i += across) {
      const row = layer.slice(i, i + across);
      row.forEach((node, k) => {
        node.width = width;
        node.x = 1 + (room - 2 - row.length * width - (row.length - 1) * 12) / 2 + k * (width + 12);
        node.y = y;
      });
      y += Math.max(...row.map((n) => n.height)) + 14;
    }
    y += 14;
  }
  return { width: room, height: y };
}

function edgePath(from, edge, to, wide) {
  if (wide) {
    let x = from.x + from.width, y = from.y + from.height / 2, path = `M${x},${y}`;
    for (const next of [...edge.path, to]) {
      const end = next.y + next.height / 2, bend = (next.x - x) / 2;
      path += `C${x + bend},${y} ${next.x - bend},${end} ${next.x},${end}`;
      if (next.ghost) path += `L${next.x + next.width},${end}`;
      x = next.x + next.width;
      y = end;
    }
    return path;
  }
  const x1 = from.x + from.width / 2, y1 = from.y + from.height, x2 = to.x + to.width / 2, y2 = to.y;
  const bend = Math.min(40, Math.max(10, (y2 - y1) / 2));
  return `M${x1},${y1}C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`;
}

// What goes over an edge (above it) and what waits before its end (below it); nothing when there is neither.
function edgeLabels(from, edge, to, wide) {
  const near = wide ? (edge.path.at(-1) ?? from) : from;
  const x = wide ? (near.x + near.width + to.x) / 2 : to.x + to.width / 2 + 6;
  const y = wide ? (near.y + near.height / 2 + to.y + to.height / 2) / 2 : to.y - 5;
  const text = (label, dy, tone) => s("text", { class: "edge-label " + tone, x, y: y + dy, "text-anchor": wide ? "middle" : "start" }, s("title", {}, label.about), label.text);
  return [edge.rate ? text(edge.rate, wide ? -6 : 0, "") : null, edge.queue ? text(edge.queue, wide ? 14 : edge.rate ? -12 : 0, "warn") : null].filter(Boolean);
}

function card(node) {
  const letters = Math.floor((node.width - 40) / 7.6);
  const lines = node.lines.map((line, i) => s("g", {},
    s("text", { x: 14, y: CARD.head + 12 + i * CARD.line, class: "kind" }, cut(line.label, 16)),
    s("text", { x: node.width - 14, y: CARD.head + 12 + i * CARD.line, class: "value " + (line.tone ?? ""), "text-anchor": "end" }, cut(line.value, 22))));
  return s("a", { href: node.href, class: `node ${node.kind} ${node.tone === "bad" ? "fails" : node.tone === "warn" ? "warns" : ""}`,
    transform: `translate(${node.x},${node.y})`, "aria-label": `${shown(node.name)}, ${node.about}, ${node.lines.map((l) => shown(l.label + " " + l.value)).join(", ")}` },
    s("rect", { class: "card", width: node.width, height: node.height, rx: 9 }),
    s("circle", { class: "dot " + node.tone, cx: node.width - 17, cy: 19, r: 4 }),
    s("text", { x: 14, y: 23, class: "name" }, cut(node.name, letters)),
    s("text", { x: 14, y: 39, class: "kind" }, cut(node.about, letters + 4)),
    ...lines);
}

// nodes, inputs before what they feed: {id, name, about, kind, href, tone, lines: [{label, value, tone}], inputs: [{from, tone, flowing, rate: {text, about}, queue: {text, about}}]}
export function graph(nodes, room) {
  for (const node of nodes) {
    node.width = CARD.width;
    node.height = CARD.head + node.lines.length * CARD.line + 4;
  }
  const wide = room >= 720;
  const { layers, byId } = layersOf(nodes, wide);
  if (layers.length === 0) return s("svg");
  const size = wide ? placeWide(layers, room) : placeNarrow(layers, room);
  const scale = wide ? Math.max(SCALE_MIN, Math.min(1.1, room / size.width)) : 1;
  const edges = nodes.flatMap((node) => node.inputs.map((edge) =>
    s("path", { class: `edge ${edge.tone ?? ""} ${edge.flowing ? "flowing" : ""}`, d: edgePath(byId.get(edge.from), edge, node, wide) })));
  const labels = nodes.flatMap((node) => node.inputs.flatMap((edge) => edgeLabels(byId.get(edge.from), edge, node, wide)));
  return s("svg", { class: "graph", viewBox: `0 0 ${size.width} ${size.height}`, width: size.width * scale, height: size.height * scale,
    role: "group", "aria-label": "The flow as a graph" }, ...edges, ...labels, ...nodes.map(card));
}

// ---- lines over time ----
function niceMax(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= value);
}

// series: [{name, points: [[ms, value], ...]}], at most six of them
export function lines({ series, from, to, format = short, label }) {
  const width = 640, height = 190, left = 52, right = 8, top = 10, bottom = 22;
  const top_value = niceMax(Math.max(0, ...series.flatMap((one) => one.points.map((p) => p[1]))));
  const x = (t) => left + (t - from) / (to - from || 1) * (width - left - right);
  const y = (v) => top + (1 - v / top_value) * (height - top - bottom);
  const drawing = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (let i = 0; i <= 4; i++) {
    const value = top_value * i / 4;
    drawing.append(s("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
      s("text", { class: "axis", x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)));
    const time = from + (to - from) * i / 4;
    drawing.append(s("text", { class: "axis", x: x(time), y: height - 4, "text-anchor": i === 4 ? "end" : i === 0 ? "start" : "middle" }, clock(time, to - from < 9e5)));
  }
  series.forEach((one, i) => {
    if (one.points.length === 0) return;
    const path = one.points.map(([t, v], k) => `${k ? "L" : "M"}${x(t).toFixed(1)},${y(v).toFixed(1)}`).join("");
    if (series.length === 1) {
      drawing.append(s("path", { class: `area f${i + 1}`, d: `${path}L${x(one.points.at(-1)[0])},${y(0)}L${x(one.points[0][0])},${y(0)}Z` }));
    }
    drawing.append(s("path", { class: `line c${i + 1}`, d: path }));
  });
  const cursor = s("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  const told = s("text", { class: "axis", y: top + 2, visibility: "hidden" });
  drawing.append(cursor, told);
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const time = from + ((event.clientX - box.left) / box.width * width - left) / (width - left - right) * (to - from);
    if (time < from || time > to) return;
    const values = series.map((one) => one.points.reduce((best, p) => (!best || Math.abs(p[0] - time) < Math.abs(best[0] - time) ? p : best), null));
    const at = x(time), flip = at > width * 0.6;
    cursor.setAttribute("x1", at); cursor.setAttribute("x2", at);
    told.setAttribute("x", at + (flip ? -6 : 6)); told.setAttribute("text-anchor", flip ? "end" : "start");
    told.textContent = `${clock(time, true)}  ${series.map((one, i) => (values[i] ? `${cut(one.name, 20)} ${format(values[i][1])}` : "")).filter(Boolean).join("   ")}`;
    cursor.setAttribute("visibility", "visible"); told.setAttribute("visibility", "visible");
  });
  drawing.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); told.setAttribute("visibility", "hidden"); });
  return drawing;
}

// ---- bars: [{label, value}] ----
export function bars(items, { label, format = short }) {
  const width = 640, height = 190, bottom = 22, top = 18;
  const most = Math.max(1, ...items.map((item) => item.value));
  const step = width / Math.max(1, items.length);
  const drawing = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  items.forEach((item, i) => {
    const size = item.value / most * (height - top - bottom);
    drawing.append(
      s("rect", { class: "track", x: i * step + 3, y: top, width: step - 6, height: height - top - bottom, rx: 3 }),
      s("rect", { class: "f1", x: i * step + 3, y: height - bottom - size, width: step - 6, height: size, rx: 3 }),
      s("text", { class: "axis", x: i * step + step / 2, y: height - 6, "text-anchor": "middle" }, item.label));
    if (item.value > 0) {
      drawing.append(s("text", { class: "axis", x: i * step + step / 2, y: height - bottom - size - 5, "text-anchor": "middle" }, format(item.value)));
    }
  });
  return drawing;
}

// ---- a ribbon: ranges [[low, high], ...] sorted; what lies between them is a gap ----
// Pieces nearer to each other than one can see are drawn as one, so that a thousand gaps are no thousand elements.
function pieces(ranges, x, least) {
  const out = [];
  for (const [low, high] of ranges) {
    const from = x(low), to = Math.max(x(high + 1), from + least), last = out.at(-1);
    if (last && from <= last.to + 0.5) Object.assign(last, { to: Math.max(to, last.to), high, of: last.of + 1 });
    else out.push({ from, to, low, high, of: 1 });
  }
  return out;
}

export function ribbon(ranges, label) {
  const width = 1000, height = 22, low = ranges[0][0], high = ranges.at(-1)[1];
  const x = (n) => (n - low) / Math.max(1, high - low + 1) * width;
  const gaps = ranges.slice(1).map(([from], i) => [ranges[i][1] + 1, from - 1]).filter(([from, to]) => to >= from);
  return s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", height, role: "img", "aria-label": label },
    s("rect", { class: "track", width, height, rx: 3 }),
    ...pieces(ranges, x, 1).map((p) => s("rect", { class: "cover", x: p.from, y: 4, width: p.to - p.from, height: height - 8 }, s("title", {}, `${count(p.low)} to ${count(p.high)}`))),
    ...pieces(gaps, x, 2).map((p) => s("rect", { class: "gap", x: p.from, y: 0, width: p.to - p.from, height, opacity: p.of > 1 ? 0.55 : null },
      s("title", {}, p.of > 1 ? `${count(p.of)} gaps from ${count(p.low)} to ${count(p.high)}` : `missing ${count(p.low)} to ${count(p.high)}`))));
}

export function legend(names) {
  const list = document.createElement("ul");
  list.className = "legend";
  names.forEach((name, i) => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    text.className = "data";
    text.textContent = cut(name, 40);
    item.append(s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, s("rect", { class: `f${i + 1}`, width: 12, height: 12, rx: 3 })), text);
    list.append(item);
  });
  return list;
}
