"use strict";
// The forms and their answers. Texts become text nodes, never HTML.
(() => {
  const data = JSON.parse(document.getElementById("data-of-page").textContent);
  const MOST_CANDIDATES = 5, MOST_ROWS = 20, LOOKED_AT = 1 << 16;
  const byId = (id) => document.getElementById(id);
  let run, boxes = [], stopping = null, link = "";

  function element(name, style, ...inner) {
    const made = document.createElement(name);
    if (style) made.className = style;
    made.append(...inner);
    return made;
  }

  const percent = (value) => (100 * value).toFixed(1) + "%";

  // --- The form

  const NAMES = { question_answering: ["Question", "Passage"] };

  function namesOfTexts() {
    const names = NAMES[run.task_type];
    if (names) return names;
    if (run.is_pair === null) return ["Text 1", "Text 2, where there is one"];
    return run.is_pair ? ["Text 1", "Text 2"] : ["Text"];
  }

  function show(name) {
    run = data.runs.find((each) => each.name === name);
    for (const button of document.querySelectorAll("[data-run]")) {
      button.setAttribute("aria-pressed", String(button.dataset.run === name));
    }
    byId("summary").textContent = run.summary;
    byId("ask").textContent = NAMES[run.task_type] ? "Question and passage"
      : run.is_pair ? "Texts" : "Text";
    const names = namesOfTexts();
    boxes = names.map((label, place) => {
      const box = element("textarea");
      box.id = "text-" + place;
      box.rows = label === "Passage" ? 9 : names.length > 1 ? 2 : 5;
      box.lang = "ko";
      box.addEventListener("input", showRequest);
      return box;
    });
    byId("fields").replaceChildren(...boxes.flatMap((box, place) => {
      const label = element("label", names.length > 1 ? "" : "only", names[place]);
      label.htmlFor = box.id;
      return [label, box];
    }));
    showExamples();
    byId("result").replaceChildren(element("p", "note",
      "Write a text" + (run.examples.length ? ", or take an example." : ".")));
    showColumns();
    showRequest();
  }

  function showExamples() {
    byId("examples").hidden = !run.examples.length;
    byId("examples").querySelector("ul").replaceChildren(...run.examples.map((example) => {
      const button = element("button", "",
        element("span", "words", example.texts.join(" / ")));
      button.type = "button";
      if (example.label) button.append(element("span", "soft", example.label));
      button.addEventListener("click", () => {
        boxes.forEach((box, place) => { box.value = example.texts[place] || ""; });
        showRequest();
        predict(example.label);
      });
      return element("li", "", button);
    }));
  }

  function input() {
    const texts = boxes.map((box) => box.value);
    if (run.task_type === "question_answering") {
      return { question: texts[0], context: texts[1] };
    }
    if (texts.length === 1 || (run.is_pair === null && !texts[1])) return texts[0];
    return { text: texts[0], text_b: texts[1] };
  }

  function showRequest() {
    const asked = { inputs: [input()] };
    if (data.runs.length > 1) asked.model = run.name;
    const body = JSON.stringify(asked).replaceAll("'", "'\\''");
    byId("request").textContent = `curl ${location.origin}/predict \\\n` +
      `  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
  }

  async function ask(path, options) {
    let answer;
    try {
      answer = await fetch(path, { method: "POST", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer. Is it still running?");
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error || `The server answered ${answer.status}.`);
  }

  async function predict(label) {
    const started = performance.now(), asked = run, text = boxes.map((box) => box.value);
    byId("go").disabled = true;
    try {
      const answer = await (await ask("/predict", {
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ model: run.name, inputs: [input()], tokens: true }),
      })).json();
      if (asked !== run) return;
      const seconds = (performance.now() - started) / 1000;
      showAnswer(answer, text, label, seconds);
      byId("answer").scrollIntoView({ block: "nearest" });
    } catch (error) {
      byId("result").replaceChildren(element("p", "error", error.message));
    } finally {
      byId("go").disabled = false;
    }
  }

  // --- The answer

  function showAnswer(answer, texts, label, seconds) {
    const found = answer.predictions[0], parts = SHOWN[run.task_type](found, texts);
    if (label) parts.push(element("p", "note", "In dev: ", element("b", "", label)));
    if (found.is_cut) {
      parts.push(element("p", "notice", `Longer than the ${run.max_seq_length} tokens ` +
        "that the model reads: what is struck out below did not count."));
    }
    answer.tokens[0].forEach((pieces, place) => {
      parts.push(pieceList(pieces, answer.tokens[0].length > 1 ? namesOfTexts()[place] : ""));
    });
    parts.push(element("p", "facts", `${Math.round(1000 * seconds)} ms`));
    byId("result").replaceChildren(...parts);
  }

  function bars(rows) {
    const made = element("div", "bars");
    rows.forEach(([name, value, best]) => {
      const style = best ? "best" : "";
      const inner = element("span", style);
      inner.style.width = percent(value);
      made.append(element("span", "name " + style, name), element("div", "track", inner),
        element("span", "value " + style, percent(value)));
    });
    return made;
  }

  // Places are characters as Python counts them: 😀 is one there and two here.
  function marked(text, spans) {
    const characters = Array.from(text), line = element("p", "read");
    let place = 0;
    for (const span of [...spans].sort((a, b) => a.start - b.start)) {
      if (span.start < place) continue;
      line.append(characters.slice(place, span.start).join(""));
      const mark = element("mark", "", characters.slice(span.start, span.end).join(""));
      mark.style.setProperty("--hue", span.hue);
      if (span.name) mark.append(element("sub", "", span.name));
      if (span.title) mark.title = span.title;
      line.append(mark);
      place = span.end;
    }
    line.append(characters.slice(place).join(""));
    return line;
  }

  function hues(names) {
    const sorted = [...new Set(names)].sort();
    return new Map(sorted.map((name, place) => [name, (210 + 137.5 * place) % 360]));
  }

  const SHOWN = {
    classification(found) {
      const rows = Object.entries(found.probabilities).sort((a, b) => b[1] - a[1]);
      return [bars(rows.map(([name, value], place) => [name, value, !place]))];
    },
    regression(found) {
      const parts = [element("p", "score", found.score.toFixed(3))];
      if (run.score_range) {
        const [low, high] = run.score_range, inner = element("span", "best");
        const share = Math.min(1, Math.max(0, (found.score - low) / (high - low)));
        inner.style.width = percent(share);
        parts.push(element("div", "track", inner), element("div", "scale",
          element("span", "", String(low)), element("span", "", String(high))));
      }
      return parts;
    },
    tagging(found) {
      const colour = hues(found.entities.map((entity) => entity.type));
      const spans = found.entities.map((entity) => ({ ...entity,
        hue: colour.get(entity.type), name: entity.type,
        title: `${entity.type} ${percent(entity.probability)}` }));
      if (!spans.length) return [marked(found.text, []), element("p", "note", "No entity.")];
      const key = element("ul", "key");
      for (const entity of spans) {
        const name = element("span", "", entity.text);
        name.style.setProperty("--hue", entity.hue);
        key.append(element("li", "", name, ` ${entity.type} ${percent(entity.probability)}`));
      }
      return [marked(found.text, spans), key];
    },
    question_answering(found, texts) {
      const spans = found.answer ? [{ start: found.start, end: found.end, hue: 140 }] : [];
      const rows = found.candidates.filter((each) => each.text).slice(0, MOST_CANDIDATES)
        .map((each) => [each.text, each.probability, each.text === found.answer &&
          each.answer_start === found.start]);
      const parts = [element("p", "score", found.answer || "No answer")];
      parts.push(marked(texts[1], spans), element("h3", "", "Candidates"), bars(rows));
      if (found.no_answer_score !== undefined) {
        parts.push(element("p", "note", "Score of no answer: " +
          found.no_answer_score.toFixed(3)));
      }
      return parts;
    },
    dependency_parsing(found) {
      const body = element("tbody");
      found.words.forEach((word, place) => {
        const head = found.heads[place];
        body.append(element("tr", "", ...[String(place + 1), word,
          head ? `${found.words[head - 1]} (${head})` : "root", found.relations[place],
        ].map((cell) => element("td", "short", cell))));
      });
      const head = element("tr", "", ...["", "word", "head", "relation"].map(
        (name) => element("th", "", name)));
      return [element("div", "scroll", element("table", "", element("thead", "", head), body))];
    },
  };

  function pieceList(pieces, name) {
    const unknown = pieces.filter((each) => each.is_unknown).length;
    const cut = pieces.filter((each) => each.is_cut).length;
    const words = [`${pieces.length} token pieces`];
    if (unknown) words.push(`${unknown} unknown`);
    if (cut) words.push(`${cut} cut off`);
    const made = element("details", "pieces",
      element("summary", "", (name ? name + ": " : "") + words.join(", ")));
    made.open = pieces.length <= 60;
    made.append(element("ol", "", ...pieces.map((each) => {
      const style = (each.is_unknown ? "unk " : "") + (each.is_cut ? "cut" : "");
      const item = element("li", style, each.piece);
      if (each.start !== null) item.append(element("small", "", `${each.start}–${each.end}`));
      item.title = `id ${each.id}`;
      return item;
    })));
    return made;
  }

  // --- A file

  const ENDINGS = { tsv: "tsv", csv: "csv", jsonl: "jsonl" };
  // The first of these that a header has is proposed.
  const KNOWN = ["document", "comments", "text", "title", "sentence", "question",
    "sentence1", "question1", "text_a", "context", "sentence2", "question2", "text_b"];
  let header = [];

  const format = () => {
    const file = byId("file").files[0];
    return (file && ENDINGS[file.name.toLowerCase().split(".").pop()]) || "text";
  };

  async function looked() {
    const file = byId("file").files[0];
    byId("settings").hidden = !file;
    finish("");
    if (!file) return;
    header = [];
    if (format() === "tsv" || format() === "csv") {
      const bytes = await file.slice(0, LOOKED_AT).arrayBuffer();
      const named = { cp949: "euc-kr" }[byId("encoding").value] || byId("encoding").value;
      const text = new TextDecoder(named).decode(bytes);
      header = text.split(/\r?\n/)[0].split(format() === "tsv" ? "\t" : ",")
        .map((cell) => cell.trim().replace(/^"|"$/g, ""));
    }
    byId("output").value = ["classification", "regression"].includes(run.task_type)
      ? "tsv" : "jsonl";
    showColumns();
  }

  function showColumns() {
    const proposed = KNOWN.filter((name) => header.includes(name));
    const names = run.is_pair ? namesOfTexts() : ["Text"];
    byId("columns").hidden = !header.length;
    byId("columns").replaceChildren(...(header.length ? names : []).flatMap((name, place) => {
      const label = element("label", "", `Column: ${name.toLowerCase()}`);
      const select = element("select");
      select.id = "column-" + place;
      label.htmlFor = select.id;
      if (header.length === names.length) {
        select.append(new Option("no header", ""));
      }
      for (const cell of header) select.append(new Option(cell, cell));
      if (proposed[place]) select.value = proposed[place];
      return [label, select];
    }));
  }

  function finish(words, style) {
    byId("send").disabled = false;
    byId("stop").hidden = true;
    byId("preview").hidden = byId("download").hidden = true;
    byId("file-state").className = style || "note";
    byId("file-state").textContent = words;
  }

  async function sendFile() {
    const file = byId("file").files[0];
    if (!file) return;
    if (file.size > data.most_bytes) {
      finish(`The file has ${file.size.toLocaleString("en")} bytes, more than the ` +
        `${data.most_bytes.toLocaleString("en")} that the server takes at a time.`, "error");
      return;
    }
    const columns = [...byId("columns").querySelectorAll("select")].map((each) => each.value);
    const asked = new URLSearchParams({ model: run.name, input_format: format(),
      encoding: byId("encoding").value, output_format: byId("output").value });
    if (columns.some(Boolean)) asked.set("columns", columns.join(","));
    finish("Reading …");
    byId("send").disabled = true;
    stopping = new AbortController();
    try {
      const answer = await ask("/predict/file?" + asked, { body: file, signal: stopping.signal });
      byId("stop").hidden = false;
      const parts = await read(answer);
      showFile(parts, answer, byId("output").value);
    } catch (error) {
      const stopped = error.name === "AbortError";
      const words = error.name === "TypeError"
        ? "The answer broke off: the server's log says why." : error.message;
      finish(stopped ? "Stopped." : words, stopped ? "note" : "error");
    }
  }

  async function read(answer) {
    const reader = answer.body.getReader(), parts = [], total = answer.headers.get("X-Texts");
    let lines = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return parts;
      parts.push(value);
      for (const byte of value) lines += byte === 10;
      byId("file-state").textContent = `${lines.toLocaleString("en")} lines so far, of ` +
        `${Number(total).toLocaleString("en")} texts …`;
    }
  }

  async function showFile(parts, answer, form) {
    const total = Number(answer.headers.get("X-Texts")).toLocaleString("en");
    const skipped = answer.headers.get("X-Skipped");
    finish(`${total} texts are predicted.` + (skipped ? ` ${skipped}` : ""));
    const blob = new Blob(parts, { type: answer.headers.get("Content-Type") });
    URL.revokeObjectURL(link);
    link = URL.createObjectURL(blob);
    const download = byId("download");
    download.href = link;
    download.download = byId("file").files[0].name.replace(/\.[^.]*$/, "") + ".predictions." + form;
    download.hidden = false;
    const head = (await blob.slice(0, LOOKED_AT).text()).split("\n").slice(0, -1);
    const preview = byId("preview");
    preview.replaceChildren(form === "tsv" ? table(head) : element("pre", "",
      head.slice(0, MOST_CANDIDATES).join("\n")));
    preview.hidden = false;
  }

  function table(lines) {
    const rows = lines.slice(0, MOST_ROWS + 1).map((line) => line.split("\t"));
    const cells = (row, name) => element("tr", "", ...row.map((cell) =>
      element(name, cell.length < 16 ? "short" : "", cell)));
    return element("table", "", element("thead", "", cells(rows[0] || [], "th")),
      element("tbody", "", ...rows.slice(1).map((row) => cells(row, "td"))));
  }

  // ---

  for (const button of document.querySelectorAll("[data-run]")) {
    button.addEventListener("click", () => show(button.dataset.run));
  }
  byId("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
  byId("form").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      byId("form").requestSubmit();
    }
  });
  byId("file-form").addEventListener("submit", (event) => { event.preventDefault(); sendFile(); });
  byId("file").addEventListener("change", looked);
  byId("encoding").addEventListener("change", looked);
  byId("stop").addEventListener("click", () => stopping && stopping.abort());
  show(data.runs[0].name);
})();
