"use strict";
// Charts, and the examples of the chosen group. Texts become text nodes, never HTML.
(() => {
  const data = JSON.parse(document.getElementById("data-of-page").textContent);
  const AT_A_TIME = 10;
  const SERIES = ["--accent", "--second", "--third", "--fourth", "--fifth", "--sixth"];

  function element(name, style, text) {
    const made = document.createElement(name);
    if (style) made.className = style;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // --- Examples

  function textLine(text) {
    const line = element("p", "text");
    line.append(element("span", "name", text.name));
    for (const [words, style, label] of text.segments) {
      const part = style ? element("span", style, words) : document.createTextNode(words);
      line.append(part);
      if (label) line.append(element("sub", "", label));
    }
    return line;
  }

  function tokenLine(text) {
    const all = element("details", "tokens");
    const cut = text.tokens.length - text.kept;
    const words = `${text.tokens.length} tokens` + (cut > 0 ? `, ${cut} cut off` : "");
    all.append(element("summary", "", text.name + ": " + words));
    text.tokens.forEach((token, place) => {
      const styles = [];
      if (token === data.unk) styles.push("unk");
      if (place >= text.kept) styles.push("cut");
      all.append(element("span", styles.join(" "), token));
    });
    return all;
  }

  // Arcs of a sentence: paths and places come with the item.
  function svg(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function tree({ width, height, words, arcs }) {
    const all = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`,
      role: "img", "aria-label": "heads and relations" });
    for (const { path, label, x, y, tip: [end, base, way], style } of arcs) {
      const arc = svg("g", { class: `arc ${style} ${way < 0 ? "true-arc" : "found-arc"}` });
      const back = base + 5 * way;
      arc.append(svg("path", { d: path }),
        svg("path", { class: "tip", d: `M${end - 3} ${back}L${end} ${base}L${end + 3} ${back}Z` }),
        svg("text", { x, y }, label));
      all.append(arc);
    }
    for (const [word, x, y] of words) all.append(svg("text", { class: "word", x, y }, word));
    const scroll = element("div", "scroll");
    scroll.tabIndex = 0;
    scroll.append(all);
    return scroll;
  }

  function card(item) {
    const made = element("li", "item");
    const head = element("div", "head");
    head.append(element("span", "", item.id));
    for (const [name, value, detail] of item.facts) {
      const fact = element("span", "", name + " ");
      fact.append(element("b", "", value));
      if (detail) fact.append(" " + detail);
      head.append(fact);
    }
    made.append(head);
    for (const text of item.texts) made.append(textLine(text));
    if (item.arcs) made.append(tree(item.arcs));
    for (const text of item.texts) if (text.tokens) made.append(tokenLine(text));
    return made;
  }

  const select = document.getElementById("group");
  const list = document.getElementById("items");
  const more = document.getElementById("more");
  const cells = [...document.querySelectorAll("[data-group]")];
  let group;

  function add() {
    const from = list.children.length;
    for (const number of group.shown.slice(from, from + AT_A_TIME)) {
      list.append(card(data.items[number]));
    }
    more.hidden = list.children.length >= group.shown.length;
  }

  function show(key) {
    group = data.groups[key];
    select.value = key;
    list.replaceChildren();
    document.getElementById("group-note").textContent = group.note;
    for (const cell of cells) {
      cell.setAttribute("aria-pressed", String(cell.dataset.group === key));
    }
    add();
  }

  if (select) {
    select.addEventListener("change", () => show(select.value));
    more.addEventListener("click", add);
    for (const cell of cells) {
      cell.addEventListener("click", () => {
        show(cell.dataset.group);
        select.scrollIntoView({ block: "start" });
      });
    }
    show(select.value);
  }

  // --- Charts, in the colours of the theme; drawn anew where that changes

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function theme() {
    const axis = { labelColor: colour("--soft"), titleColor: colour("--soft"),
      gridColor: colour("--line"), domainColor: colour("--line"),
      tickColor: colour("--line"), titleFontWeight: 400 };
    return { background: "transparent", font: getComputedStyle(document.body).fontFamily,
      view: { stroke: null }, axis, range: { category: SERIES.map(colour) },
      legend: { labelColor: colour("--soft"), labelLimit: 260, symbolType: "stroke",
        symbolOpacity: 1, symbolStrokeWidth: 2 },
      mark: { color: colour("--accent") },
      rule: { color: colour("--bad") }, text: { color: colour("--bad") } };
  }

  function draw(id) {
    const place = document.getElementById(id);
    const sized = { ...data.charts[id], width: "container",
      autosize: { type: "fit-x", contains: "padding" } };
    return vegaEmbed(place, sized, { config: theme(), actions: false, renderer: "svg" })
      .catch((error) => { place.textContent = String(error); });
  }

  // One after another, so that a page of many charts is there after the first.
  async function drawAll(ids) {
    for (const id of ids) {
      await draw(id);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  const ids = Object.keys(data.charts);
  if (ids.length) {
    drawAll(ids);
    const drawAgain = () => ids.forEach(draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
    matchMedia("print").addEventListener("change", drawAgain);
  }
})();
