// Draws the page's figures from the data it carries, and lets people read and copy them. Asks nobody for anything.
"use strict";
(() => {
  const FIGURES = JSON.parse(document.getElementById("figures").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const DAY = 864e5;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const fixed = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const plain = (value, digits) => fixed[digits].format(Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value);
  const dayWords = (value) => {
    const day = new Date(value * DAY);
    return `${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]} ${day.getUTCFullYear()}`;
  };
  const dollars = (value, digits) => `${value < -0.5 * 10 ** -digits ? "-" : ""}$${plain(Math.abs(value), digits)}`;
  const written = (value, form) => {
    if (value === null || value === undefined) return "";
    if (form === "date") return dayWords(value);
    if (form === "dollars") return dollars(value, 0);
    const digits = Number(form.slice(-1));
    return form.startsWith("percent") ? `${plain(100 * value, digits)}%` : plain(value, digits);
  };

  const svg = (name, attributes, parent, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  };
  const html = (name, className, parent, text) => {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  };

  // A date counts days since 1970, so that an axis of dates is an axis of numbers.
  const place = (value, form) => (form === "date" && value !== null ? Date.parse(value) / DAY : value);

  // Round steps of 1, 2 and 5; of dates, steps that calendars have.
  const ticks = (low, high, wanted) => {
    const raw = (high - low) / Math.max(wanted, 1);
    const power = 10 ** Math.floor(Math.log10(raw)), excess = raw / power;
    // The factor nearest to what is wanted, by ratio: bounds are the geometric means of 1, 2, 5 and 10.
    const step = power * (excess >= Math.sqrt(50) ? 10 : excess >= Math.sqrt(10) ? 5 : excess >= Math.SQRT2 ? 2 : 1);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) found.push(Math.round(at / step) * step);
    return { found, step };
  };
  const dateTicks = (low, high, wanted) => {
    const days = (high - low) / Math.max(wanted, 1);
    const found = [];
    if (days <= 14) {
      const step = [1, 2, 7, 14].find((size) => size >= days);
      for (let at = Math.ceil(low); at <= high; at += step) found.push(at);
      return found.map((at) => [at, `${new Date(at * DAY).getUTCDate()} ${MONTHS[new Date(at * DAY).getUTCMonth()]}`]);
    }
    const step = [1, 2, 3, 6, 12, 24, 60].find((size) => size * 31 >= days) ?? 120;
    const first = new Date(low * DAY);
    let month = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step;
    for (;; month += step) {
      const at = Date.UTC(Math.floor(month / 12), month % 12, 1) / DAY;
      if (at > high) break;
      if (at >= low) found.push([at, month % 12 === 0 || found.length === 0 ? `${MONTHS[month % 12]} ${Math.floor(month / 12)}` : MONTHS[month % 12]]);
    }
    return found;
  };
  const tickDigits = (form, step) => {
    const size = form.startsWith("percent") ? 100 * step : step;
    return Math.min(3, Math.max(0, -Math.floor(Math.log10(size) + 1e-9)));
  };
  const tickWords = (value, form, step) => (form === "dollars" ? dollars(value, step < 1 ? 2 : 0) : written(value, form.slice(0, -1) + tickDigits(form, step)));

  const swatch = (series, parent) => {
    const icon = svg("svg", { width: 18, height: 10, "aria-hidden": "true", class: `tone-${series.tone}` }, parent);
    if (series.mark === "line") svg("path", { d: "M1 5H17", class: `mark-line${series.dashed ? " dashed" : ""}` }, icon);
    else if (series.mark === "range") svg("path", { d: "M9 0V10", class: "mark-range" }, icon);
    else if (series.mark === "bars") svg("rect", { x: 5, y: 1, width: 8, height: 9, class: "mark-bar" }, icon);
    else svg("circle", { cx: 9, cy: 5, r: 3.2, class: series.tone === "warn" ? "mark-open" : "mark-dot" }, icon);
  };

  // What a figure spans: x over all panels, y by panel.
  const prepared = (figure) => {
    const form = figure.x.form;
    const panels = figure.panels.map((panel) => ({
      ...panel,
      series: panel.series.filter((series) => series.y.some((value) => value !== null)).map((series) => ({ ...series, at: series.x.map((value) => place(value, form)) })),
    }));
    const xs = [...new Set(panels.flatMap((panel) => panel.series.flatMap((series) => series.at)))].sort((a, b) => a - b);
    return { ...figure, panels, xs };
  };
  const yRange = (panel) => {
    const values = panel.series.flatMap((series) => [...series.y, ...(series.low ?? []), ...(series.high ?? []), ...(series.mark === "bars" ? [0] : [])]);
    const known = [...values, ...panel.levels.map((level) => level.value)].filter((value) => value !== null);
    const low = Math.min(...known), high = Math.max(...known);
    const room = 0.06 * (high - low || Math.abs(high) || 1);
    return [low - room, high + room];
  };

  const rows = (height) => Math.max(3, height / 44);

  const drawSeries = (series, group, toX, toY) => {
    const own = svg("g", { class: `tone-${series.tone}` }, group);
    const drawn = series.at.map((x, i) => [toX(x), series.y[i] === null ? null : toY(series.y[i]), i]);
    const known = drawn.filter(([, y]) => y !== null);
    if (series.mark === "line") {
      let pen = "M", path = "";
      for (const [x, y] of drawn) {
        if (y === null) { pen = "M"; continue; }
        path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
        pen = "L";
      }
      svg("path", { d: path, class: `mark-line${series.dashed ? " dashed" : ""}` }, own);
      if (known.length <= 24) for (const [x, y] of known) svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6, class: "mark-dot" }, own);
    } else if (series.mark === "range") {
      const path = known.map(([x, , i]) => `M${x.toFixed(1)} ${toY(series.low[i]).toFixed(1)}V${toY(series.high[i]).toFixed(1)}`).join("");
      svg("path", { d: path, class: "mark-range" }, own);
    } else if (series.mark === "bars") {
      const gaps = known.slice(1).map(([x], i) => x - known[i][0]);
      const width = Math.max(2, Math.min(16, 0.6 * Math.min(...gaps, 1e9)));
      for (const [x, y] of known) svg("rect", { x: (x - width / 2).toFixed(1), y: Math.min(y, toY(0)).toFixed(1), width: width.toFixed(1), height: Math.max(1, Math.abs(y - toY(0))).toFixed(1), class: "mark-bar" }, own);
    } else {
      const radius = known.length > 60 ? 1.9 : 3.2;
      for (const [x, y] of known) svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: radius, class: series.tone === "warn" ? "mark-open" : "mark-dot" }, own);
    }
  };

  const drawPanel = (panel, root, frame, toX) => {
    const [low, high] = yRange(panel);
    const toY = (value) => frame.bottom - ((value - low) / (high - low)) * (frame.bottom - frame.top);
    const { found, step } = ticks(low, high, rows(frame.bottom - frame.top));
    for (const at of found) {
      svg("line", { x1: frame.left, x2: frame.right, y1: toY(at), y2: toY(at), class: "grid" }, root);
      svg("text", { x: frame.left - 7, y: toY(at) + 3.8, "text-anchor": "end" }, root, tickWords(at, panel.y.form, step));
    }
    svg("text", { x: 0, y: frame.label }, root, panel.y.label);
    for (const level of panel.levels) svg("line", { x1: frame.left, x2: frame.right, y1: toY(level.value), y2: toY(level.value), class: level.label ? "level" : "zero" }, root);
    for (const series of panel.series) drawSeries(series, root, toX, toY);
    for (const level of panel.levels) if (level.label) svg("text", { x: frame.right, y: toY(level.value) - 4, "text-anchor": "end", class: "halo" }, root, level.label);
    return { panel, toY, frame };
  };

  const leftRoom = (figure, heights) => {
    const words = figure.panels.flatMap((panel, i) => {
      const [low, high] = yRange(panel);
      const { found, step } = ticks(low, high, rows(heights[i]));
      return found.map((at) => tickWords(at, panel.y.form, step).length);
    });
    return 12 + 6.3 * Math.max(...words);
  };

  const draw = (holder, given) => {
    const figure = prepared(given);
    holder.replaceChildren();
    const legend = html("div", "legend", holder);
    const plot = html("div", "plot", holder);
    // A line alone is named by the title.
    const named = new Map(figure.panels.flatMap((panel) => panel.series).map((series) => [series.name, series]));
    if (named.size < 2) legend.remove();
    else for (const series of named.values()) {
      const item = html("span", "", legend);
      swatch(series, item);
      item.append(series.name);
    }
    const width = Math.max(240, plot.clientWidth);
    const body = figure.panels.length > 1 ? 330 : width > 640 ? 270 : 230;
    const total = figure.panels.reduce((sum, panel) => sum + panel.share, 0);
    const heights = figure.panels.map((panel) => (body * panel.share) / total);
    const left = leftRoom(figure, heights), right = width - 6;
    const low = figure.xs[0], high = figure.xs[figure.xs.length - 1], room = 0.015 * (high - low || 1);
    const toX = (value) => left + ((value - low + room) / (high - low + 2 * room)) * (right - left);
    const markRows = laidOut(figure, toX, right);
    const head = 22 + 14 * markRows.count;
    const height = head + body + 26 * (figure.panels.length - 1) + 40;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: 0, "aria-label": spoken(figure) }, plot);
    let top = head;
    const panels = figure.panels.map((panel, i) => {
      const frame = { left, right, top, bottom: top + heights[i], label: i ? top - 7 : 11 };
      top = frame.bottom + 26;
      return drawPanel(panel, root, frame, toX);
    });
    const bottom = panels[panels.length - 1].frame.bottom;
    drawX(figure, root, { left, right, low, high, bottom, width }, toX);
    for (const mark of markRows.marks) {
      svg("line", { x1: toX(mark.value), x2: toX(mark.value), y1: head - 2, y2: bottom, class: "level" }, root);
      svg("text", { x: mark.text, y: 26 + 14 * mark.row, "text-anchor": "middle", class: "halo" }, root, mark.label);
    }
    listen(plot, root, figure, { panels, toX, top: head, bottom, width });
    return figure;
  };

  // Labels of vertical lines, each in the first row where it has room.
  const laidOut = (figure, toX, right) => {
    const ends = [];
    const marks = figure.marks.filter((mark) => mark.value >= figure.xs[0] && mark.value <= figure.xs[figure.xs.length - 1]).sort((a, b) => a.value - b.value).map((mark) => {
      const half = 3.1 * mark.label.length + 4;
      const text = Math.min(Math.max(toX(mark.value), half), right - half);
      let row = ends.findIndex((end) => end <= text - half);
      if (row < 0) row = ends.length;
      ends[row] = text + half;
      return { ...mark, text, row };
    });
    return { marks, count: ends.length };
  };

  const drawX = (figure, root, frame, toX) => {
    const wanted = (frame.right - frame.left) / 78;
    const { found, step } = figure.x.form === "date" ? { found: [], step: 1 } : ticks(frame.low, frame.high, wanted);
    const labels = figure.x.form === "date" ? dateTicks(frame.low, frame.high, wanted) : found.map((at) => [at, tickWords(at, figure.x.form, step)]);
    svg("line", { x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom, class: "zero" }, root);
    for (const [at, words] of labels) {
      svg("line", { x1: toX(at), x2: toX(at), y1: frame.bottom, y2: frame.bottom + 4, class: "zero" }, root);
      const half = 3.1 * words.length;
      svg("text", { x: Math.min(Math.max(toX(at), frame.left - 10 + half), frame.width - half), y: frame.bottom + 17, "text-anchor": "middle" }, root, words);
    }
    svg("text", { x: frame.right, y: frame.bottom + 34, "text-anchor": "end" }, root, figure.x.label);
  };

  const spoken = (figure) => `${figure.title}: ${figure.panels.map((panel) => `${panel.y.label}, ${panel.series.map((series) => series.name).join(", ")}`).join("; ")}, by ${figure.x.label}. The numbers are in the table below it.`;

  // A cursor at the nearest point there is, by pointer, finger or arrow key.
  const listen = (plot, root, figure, { panels, toX, top, bottom, width }) => {
    const cursor = svg("g", { visibility: "hidden" }, root);
    const line = svg("line", { y1: top, y2: bottom, class: "cursor" }, cursor);
    const dots = svg("g", {}, cursor);
    const tip = html("div", "tip", plot);
    tip.hidden = true;
    let current = -1;
    const hide = () => { current = -1; tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
    const show = (index) => {
      if (index === current) return;
      current = index;
      const at = figure.xs[index], x = toX(at);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      dots.replaceChildren();
      tip.replaceChildren();
      html("div", "at", tip, `${figure.x.form === "date" ? dayWords(at) : written(at, at % 1 ? "number2" : "number0")} ${figure.x.form === "date" ? "" : figure.x.label}`);
      for (const { panel, toY } of panels) for (const series of panel.series) {
        const i = series.at.indexOf(at);
        if (i < 0 || series.y[i] === null) continue;
        const row = html("div", "", tip);
        swatch(series, row);
        row.append(series.name);
        const form = panel.y.form;
        html("b", "", row, series.mark === "range" ? `${written(series.low[i], form)} to ${written(series.high[i], form)}` : written(series.y[i], form));
        if (series.mark !== "range") svg("circle", { cx: x, cy: toY(series.y[i]), r: 4, class: "mark-dot" }, svg("g", { class: `tone-${series.tone}` }, dots));
      }
      tip.hidden = false;
      cursor.setAttribute("visibility", "visible");
      const beside = x + 14 + tip.offsetWidth > width ? x - 14 - tip.offsetWidth : x + 14;
      tip.style.left = `${Math.max(0, Math.min(beside, width - tip.offsetWidth))}px`;
      tip.style.top = `${top}px`;
    };
    const nearest = (pixel) => figure.xs.reduce((best, at, i) => (Math.abs(toX(at) - pixel) < Math.abs(toX(figure.xs[best]) - pixel) ? i : best), 0);
    const follow = (event) => show(nearest(((event.clientX - root.getBoundingClientRect().left) * width) / root.getBoundingClientRect().width));
    root.addEventListener("pointermove", follow);
    root.addEventListener("pointerdown", follow);
    root.addEventListener("pointerleave", hide);
    root.addEventListener("blur", hide);
    root.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      show(Math.min(Math.max((current < 0 ? (step > 0 ? -1 : figure.xs.length) : current) + step, 0), figure.xs.length - 1));
    });
  };

  // The same numbers as a table.
  const numberTable = (figure) => {
    const columns = figure.panels.flatMap((panel) => panel.series.flatMap((series) => {
      const of = (values) => new Map(series.at.map((at, i) => [at, values[i]]));
      const unit = panel.y.label;
      return series.mark === "range"
        ? [[`${series.name}: low, ${unit}`, of(series.low), panel.y.form], [`${series.name}: high, ${unit}`, of(series.high), panel.y.form]]
        : [[`${series.name}, ${unit}`, of(series.y), panel.y.form]];
    }));
    const table = html("table", "");
    const head = html("tr", "", html("thead", "", table));
    html("th", "text", head, figure.x.label);
    for (const [name] of columns) html("th", "", head, name);
    const body = html("tbody", "", table);
    for (const at of figure.xs) {
      const row = html("tr", "", body);
      html("td", "text", row, figure.x.form === "date" ? new Date(at * DAY).toISOString().slice(0, 10) : String(at));
      for (const [, values, form] of columns) html("td", "", row, values.get(at) === undefined ? "" : written(values.get(at), form));
    }
    return table;
  };

  const copied = async (table, button) => {
    const text = [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim().replace(/\s+/g, " ")).join("\t")).join("\n");
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Where the clipboard is closed to pages, the table is at least selected.
      getSelection().selectAllChildren(table);
      done = "Selected: copy it";
    }
    const before = button.textContent;
    button.textContent = done;
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  const copyButton = (table, parent) => {
    const button = html("button", "button", html("div", "tools", parent), "Copy as table");
    button.type = "button";
    button.addEventListener("click", () => copied(table, button));
  };

  for (const holder of document.querySelectorAll("[data-figure]")) {
    const given = FIGURES[holder.dataset.figure];
    const canvas = holder.querySelector(".canvas"), select = holder.querySelector("select");
    const numbers = holder.querySelector(".numbers"), note = holder.querySelector(".note");
    let drawn = null, width = 0;
    const chosen = () => (given.choices ? given.choices[select ? Number(select.value) : 0] : given);
    const tell = () => {
      numbers.querySelectorAll(":scope > :not(summary)").forEach((node) => node.remove());
      if (!numbers.open) return;
      const table = numberTable(drawn);
      copyButton(table, numbers);
      html("div", "scroll", numbers).append(table);
    };
    const redraw = () => {
      width = canvas.clientWidth;
      drawn = draw(canvas, chosen());
      if (note) note.textContent = chosen().note;
      tell();
    };
    redraw();
    numbers.addEventListener("toggle", tell);
    if (select) select.addEventListener("change", redraw);
    new ResizeObserver(() => { if (Math.abs(canvas.clientWidth - width) > 1) redraw(); }).observe(canvas);
  }
  for (const table of document.querySelectorAll("details > .scroll > table")) {
    const frame = table.parentElement;
    if (!frame.closest(".numbers")) { const tools = html("div", ""); frame.before(tools); copyButton(table, tools); }
  }

  // Themes: as the system has it, or as chosen here; kept where the browser lets a page keep something.
  const button = document.getElementById("theme");
  const THEMES = ["system", "light", "dark"];
  const themed = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  let theme = "system";
  try { theme = localStorage.getItem("alvh-theme") ?? theme; } catch { /* a page without storage follows the system */ }
  themed(THEMES.includes(theme) ? theme : "system");
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    themed(theme);
    try { localStorage.setItem("alvh-theme", theme); } catch { /* it lasts as long as the page */ }
  });

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const section of document.querySelectorAll("main > section[id]")) watch.observe(section);
})();
