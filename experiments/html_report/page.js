// Tables sort, filter and open; charts are drawn when they are first looked at.
const data = JSON.parse(document.getElementById("data").textContent);

function draw(place, chart) {
  return vegaEmbed(place, chart, { actions: false, renderer: "svg" });
}

function key(row, column) {
  const text = row.cells[column].dataset.key;
  return text !== "" && !isNaN(text) ? Number(text) : text;
}

function compare(a, b) { // what is not there comes last, numbers before words
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
}

function sort(button) {
  const head = button.closest("th"), body = head.closest("table").tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.querySelectorAll("tr.line")];
  rows.sort((a, b) => {
    const keys = [key(a, head.cellIndex), key(b, head.cellIndex)];
    const missing = keys.includes("");
    return compare(...keys) * (down && !missing ? -1 : 1);
  });
  for (const row of rows) { // each with what was opened below it
    const detail = row.nextElementSibling;
    const open = detail && detail.classList.contains("detail") ? [detail] : [];
    body.append(row, ...open);
  }
}

function filter() {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const ran = document.getElementById("ran").checked;
  let count = 0;
  for (const section of document.querySelectorAll("#tables section")) {
    let here = 0;
    for (const row of section.querySelectorAll("tr.line")) {
      const hit = words.every((word) => row.dataset.search.includes(word));
      row.hidden = !hit || (ran && row.dataset.ran === "no");
      const detail = row.nextElementSibling;
      if (detail && detail.classList.contains("detail")) detail.hidden = row.hidden;
      here += !row.hidden;
    }
    section.hidden = !here;
    count += here;
  }
  document.getElementById("count").value = `${count} rows`;
}

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function toggle(button) {
  const row = button.closest("tr"), detail = row.nextElementSibling;
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", open);
  if (!open) return detail.remove();
  const below = document.createElement("tr");
  below.className = "detail";
  const cell = element("td", "", below);
  cell.colSpan = row.cells.length;
  row.after(below);
  describe(data.lines[row.dataset.line], cell);
}

function describe(line, cell) {
  element("p", `${line.what}. Reading: ${line.says}.`, cell);
  element("pre", line.command, cell);
  if (line.run) {
    const { seed, trials, lanes, date, versions, device, commit } = line.run;
    const made = Object.entries(versions).map((pair) => pair.join(" ")).join(", ");
    element("p", `${trials} trials, seed ${seed}, ${lanes} lanes; ${date}, ${device.kind}, commit ` +
      `${commit || "unknown"}; ${made}`, cell);
    const charts = element("div", "", cell);
    charts.className = "charts";
    const published = line.after ? [{ sequences: line.after }] : [];
    draw(element("div", "", charts), filled("curves", { curves: curves(line), published }));
    draw(element("div", "", charts), filled("after", { after: after(line), published }));
  }
  const settings = element("details", "", cell);
  element("summary", "all settings", settings);
  element("pre", JSON.stringify(line.settings, null, 1).replace(/\n\s{2,}/g, " "), settings);
}

function filled(name, datasets) {
  return { ...data.charts[name], datasets };
}

function curves(line) {
  return line.records.flatMap((record, trial) => record.curve.map((error, i) =>
    ({ trial, phase: record.phase, sequences: data.points[i], error: Math.max(error, 1e-6) })));
}

function after(line) {
  const ends = line.records.map((record, trial) => ({ trial, ...record }))
    .filter((record) => record.phase === "solved").sort((a, b) => a.end - b.end);
  const all = line.records.length;
  return [{ trial: -1, sequences: 0, share: 0 },
    ...ends.map((record, i) => ({ trial: record.trial, sequences: record.end, share: (i + 1) / all }))];
}

function whenSeen(place, act) {
  const watch = new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting)) { watch.disconnect(); act(); }
  }, { rootMargin: "300px" });
  watch.observe(place);
}

function readings() {
  const say = (row) => {
    document.getElementById("chance").textContent =
      `Chance that some reading would have reproduced another figure of ${row}: ${data.chances[row]}.`;
  };
  draw("#readings-chart", data.readings).then((made) => {
    say(made.view.signal("chosen"));
    made.view.addSignalListener("chosen", (_, row) => say(row));
  });
}

function nets() {
  const choose = document.getElementById("net");
  data.nets.forEach((net, i) => { element("option", net.title, choose).value = i; });
  const show = () => draw("#net-chart", data.nets[choose.value].chart);
  choose.addEventListener("change", show);
  show();
}

document.addEventListener("click", (event) => {
  if (event.target.matches("button.sort")) sort(event.target);
  if (event.target.matches("button.open")) toggle(event.target);
});
document.getElementById("search").addEventListener("input", filter);
document.getElementById("ran").addEventListener("change", filter);
if (data.readings) whenSeen(document.getElementById("readings"), readings);
if (data.nets.length) whenSeen(document.getElementById("nets"), nets);
filter();
