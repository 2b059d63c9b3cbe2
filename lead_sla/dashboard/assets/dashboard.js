/*
  What moves on the pages: charts, sortable tables, panels of which one is shown, data that grows late, the list of
  leads. No library but Vega (assets/vega.js), no request but for files of this folder. Texts of the data go in as text,
  never as markup.
*/
"use strict";

const leadSla = (() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const read = (element) => JSON.parse(element.textContent);
  const number = new Intl.NumberFormat("en");

  /* ---- charts ------------------------------------------------------------------------------------------------- */

  // Marks name a style, and each style has a colour of the style sheet: light, dark and print need no drawing anew.
  const colour = (name) => `var(--${name})`;
  const line = (name, more) => (
    { color: colour(name), strokeWidth: 2.5, strokeCap: "round", strokeJoin: "round", ...more });
  const dot = (name) => (
    { color: colour(name), stroke: colour("card"), strokeWidth: 1.5, size: 56, opacity: 1, filled: true });
  const LOOK = {
    background: null,
    font: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    padding: { left: 2, right: 14, top: 8, bottom: 2 },
    view: { stroke: null },
    axis: {
      labelColor: colour("muted"), labelFontSize: 12, gridColor: colour("rule"), domainColor: colour("rule"),
      tickColor: colour("rule"), labelFontWeight: 400,
    },
    range: { category: [0, 1, 2, 3, 4, 5].map((place) => colour(`band-${place}`)) },
    style: {
      actual: line("accent"),
      second: line("second", { strokeWidth: 2 }),
      ideal: line("muted", { strokeWidth: 1.5, strokeDash: [6, 4] }),
      forecast: line("accent", { strokeDash: [1, 5] }),
      promise: line("met", { strokeWidth: 1.5, strokeDash: [6, 4] }),
      band: { color: colour("accent"), opacity: 0.18 },
      dot: dot("accent"),
      second_dot: dot("second"),
      hollow: { color: colour("accent"), fill: colour("card"), strokeWidth: 2, size: 56, opacity: 1, filled: false },
      bar: { color: colour("accent") },
      breach: { color: colour("breach-mark"), cursor: "pointer" },
      target: { color: colour("text"), opacity: 1 },
      stack: { stroke: colour("card"), strokeWidth: 1 },
      heat: { stroke: colour("card"), strokeWidth: 2 },
      unknown: { color: colour("blank"), stroke: colour("card"), strokeWidth: 2 },
      number: { color: colour("text"), fontSize: 12, fontWeight: 600 },
    },
  };

  async function draw(plot) {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "1";
    const target = document.createElement("div");
    plot.append(target);
    const view = (await window.vegaEmbed(target, read(one(".spec", plot)), {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, config: LOOK,
      tooltip: { disableDefaultStyle: true },
    })).view;
    // The picture is described by its frame; what is in it would be read out bar by bar.
    one("svg", target)?.setAttribute("aria-hidden", "true");
    const drill = one(".drill", plot);
    if (drill) {
      const filters = read(drill);
      view.addEventListener("click", (event, item) => {
        const rep = item?.datum?.rep;
        if (rep !== undefined) location.hash = new URLSearchParams({ ...filters, rep }).toString();
      });
    }
  }

  async function drawVisible() {
    for (const plot of all(".plot")) {
      // A hidden panel has no width to draw into: it is drawn when it is shown.
      if (plot.offsetParent !== null) await draw(plot);
    }
    document.documentElement.dataset.drawn = "1";
  }

  /* ---- tables that can be sorted ------------------------------------------------------------------------------ */

  const collator = new Intl.Collator("en", { numeric: true });

  // The first click on numbers shows the greatest first, on texts the first of the alphabet.
  const OTHER_WAY = { ascending: "descending", descending: "ascending" };
  const nextDirection = (header, isNumber) =>
    OTHER_WAY[header.getAttribute("aria-sort")] ?? (isNumber ? "descending" : "ascending");

  function mark(header, direction) {
    for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
    if (direction) header.setAttribute("aria-sort", direction);
  }

  function sortable(table) {
    for (const button of all(".sort", table)) {
      button.addEventListener("click", () => {
        const header = button.closest("th");
        const place = [...header.parentElement.children].indexOf(header);
        const value = (row) => row.cells[place].dataset.sort ?? row.cells[place].textContent.trim();
        const rows = [...table.tBodies[0].rows];
        const isNumber = header.classList.contains("number");
        const direction = nextDirection(header, isNumber);
        const sign = direction === "ascending" ? 1 : -1;
        const isMissing = (row) => isNumber && row.cells[place].dataset.sort === undefined;
        rows.sort((a, b) => {
          // Where there is no number, it is last both ways.
          if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
          return sign * (isNumber ? Number(value(a)) - Number(value(b)) : collator.compare(value(a), value(b)));
        });
        table.tBodies[0].append(...rows);
        mark(header, direction);
      });
    }
  }

  /* ---- panels, of which one is shown -------------------------------------------------------------------------- */

  function switches() {
    for (const fieldset of all(".switch[data-switch]")) {
      const panels = all(`[data-panel="${fieldset.dataset.switch}"]`);
      const show = () => {
        const chosen = one("input:checked", fieldset).value;
        for (const panel of panels) panel.hidden = panel.dataset.value !== chosen;
        drawVisible();
      };
      fieldset.hidden = false;
      fieldset.addEventListener("change", show);
      show();
    }
  }

  /* ---- data that grows late ----------------------------------------------------------------------------------- */

  // A page outlives its night. Once a load should have come and the page is still the old one, "nothing" is not known.
  function freshness() {
    const banner = one(".late");
    for (const sentence of all("[data-late-at]", banner)) {
      if (Date.now() > Date.parse(sentence.dataset.lateAt)) sentence.hidden = banner.hidden = false;
    }
    if (!banner.hidden) {
      const since = all("li", banner).find((sentence) => !sentence.hidden)?.textContent ?? "unknown";
      for (const nothing of all("[data-nothing]")) {
        nothing.textContent = nothing.classList.contains("empty") ? since : "unknown";
        nothing.closest(".is-met")?.classList.replace("is-met", "is-risk");
        one(".note", nothing.closest(".tile") ?? nothing)?.remove();
      }
    }
    for (const state of all("td[data-late-at]")) {
      if (Date.now() > Date.parse(state.dataset.lateAt)) {
        state.textContent = "late";
        state.className = "is-breach";
      }
    }
    return !banner.hidden;
  }

  /* ---- the list of leads -------------------------------------------------------------------------------------- */

  const waiting = {};

  // Each file of data/ calls this: a chunk of a list.
  function chunk(version, list, place, rows) {
    waiting[`${list}-${place}`]?.(version, rows);
  }

  // What stands where in a row.
  const [LEAD, RULE, REP, PERSONA, SOURCE, OWNER, DUE, MINUTES, TOUCHES, REQUIRED] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const PAGE = 50;
  const FRESH = { list: "open", rule: null, team: null, rep: null, q: "", sort: "", page: 0 };
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const teamName = (team) => team || "No team";

  // Names by their places in the alphabet: 100,000 rows are sorted by numbers.
  function ranks(names) {
    const rank = new Map([...new Set(names)].sort(collator.compare).map((name, place) => [name, place]));
    return names.map((name) => rank.get(name));
  }

  function leads(isLate) {
    const table = one("#lead-table");
    if (!table) return;
    const index = read(one("#list"));
    const form = one(".filters");
    const fields = form.elements;
    const said = one(".count");
    let state = { ...FRESH };

    const ruleRank = ranks(index.rules.map((rule) => rule.name));
    const repRank = ranks(index.reps.map((rep) => rep.name));
    const teamRank = ranks(index.reps.map((rep) => teamName(rep.team)));
    const textRank = ranks(index.texts);
    const SORTS = {
      lead: (row) => row[LEAD],
      rule: (row) => ruleRank[row[RULE]],
      rep: (row) => repRank[row[REP]],
      team: (row) => teamRank[row[REP]],
      minutes: (row) => row[MINUTES],
      due: (row) => row[DUE],
      touches: (row) => row[TOUCHES],
      owner: (row) => textRank[row[OWNER]],
      persona: (row) => textRank[row[PERSONA]],
    };

    /* Chunks: loaded when they are needed, each once. */

    const store = {};
    for (const [name, list] of Object.entries(index.lists)) {
      store[name] = { chunks: Array(list.chunks).fill(null), rows: null };
    }

    // Another version lies there now. Loading anew gives the page of that version; twice in vain is a broken copy.
    function renew(why) {
      const key = `lead-sla-renewed-${location.pathname}`;
      let tried = index.version;
      try {
        tried = sessionStorage.getItem(key);
        sessionStorage.setItem(key, index.version);
      } catch { /* no storage: then the reader is told, and loads the page anew */ }
      if (tried !== index.version) location.reload();
      throw new Error(why);
    }

    function load(list, place) {
      store[list].chunks[place] ??= new Promise((resolve, reject) => {
        const script = document.createElement("script");
        waiting[`${list}-${place}`] = (version, rows) => {
          if (version === index.version) resolve(rows);
          else reject(new Error("another version"));
        };
        script.onerror = () => reject(new Error("missing"));
        script.src = `data/${list}-${place}.js`;
        document.head.append(script);
      }).catch((error) => renew(`data/${list}-${place}.js: ${error.message}`));
      return store[list].chunks[place];
    }

    async function everything(list) {
      const kept = store[list];
      kept.rows ??= (await Promise.all(kept.chunks.map((_, place) => load(list, place)))).flat();
      return kept.rows;
    }

    /* The state is in the address, so that a list under its filters can be sent to somebody. */

    function fromAddress() {
      const asked = new URLSearchParams(location.hash.slice(1));
      const place = (items, id) => (id === null ? null : items.findIndex((item) => item.id === id));
      const sort = asked.get("sort") ?? "";
      state = {
        list: asked.get("list") === "due" ? "due" : "open",
        rule: place(index.rules, asked.get("rule")),
        rep: place(index.reps, asked.get("rep")),
        team: asked.get("team"),
        q: asked.get("q") ?? "",
        sort: Object.hasOwn(SORTS, sort.replace(/^-/, "")) ? sort : "",
        page: Math.max(0, (Number.parseInt(asked.get("page"), 10) || 1) - 1),
      };
    }

    function toAddress() {
      const asked = new URLSearchParams();
      if (state.list !== "open") asked.set("list", state.list);
      if (state.rule !== null) asked.set("rule", index.rules[state.rule]?.id ?? "");
      if (state.team !== null) asked.set("team", state.team);
      if (state.rep !== null) asked.set("rep", index.reps[state.rep]?.id ?? "");
      if (state.q) asked.set("q", state.q);
      if (state.sort) asked.set("sort", state.sort);
      if (state.page) asked.set("page", state.page + 1);
      history.replaceState(null, "", asked.size ? `#${asked}` : location.pathname + location.search);
    }

    /* Filters. */

    const isFiltered = () => state.rule !== null || state.team !== null || state.rep !== null || state.q.trim() !== "";

    const fits = (rule, rep, but) =>
      (but === "rule" || state.rule === null || state.rule === rule) &&
      (but === "rep" || state.rep === null || state.rep === rep) &&
      (but === "team" || state.team === null || state.team === index.reps[rep].team);

    // Each choice says how many rows it would show under the other filters; the index knows, before a chunk is loaded.
    function options(name, chosen, valueOf, nameOf) {
      const rows = new Map(chosen === null ? [] : [[chosen, 0]]);
      let total = 0;
      for (const [rule, rep, count] of index.lists[state.list].facets) {
        if (!fits(rule, rep, name)) continue;
        const value = valueOf(rule, rep);
        rows.set(value, (rows.get(value) ?? 0) + count);
        total += count;
      }
      const select = fields[name];
      const all = select.options[0];
      all.textContent = `${all.textContent.replace(/ \(.*/, "")} (${number.format(total)})`;
      const made = [...rows].map(([value, count]) => [nameOf(value), value, count])
        .sort((a, b) => collator.compare(a[0], b[0]))
        .map(([text, value, count]) => new Option(`${text} (${number.format(count)})`, `=${value}`));
      select.replaceChildren(all, ...made);
      select.value = chosen === null ? "" : `=${chosen}`;
    }

    function showFilters() {
      options("rule", state.rule, (rule) => rule, (place) => index.rules[place]?.name ?? "");
      options("team", state.team, (_, rep) => index.reps[rep].team, teamName);
      options("rep", state.rep, (_, rep) => rep, (place) => index.reps[place]?.name ?? "");
      fields.list.value = state.list;
      if (document.activeElement !== fields.q) fields.q.value = state.q;
    }

    // The places of the rows that fit, in the order that is asked for.
    function select(rows) {
      const q = state.q.trim().toLowerCase();
      const has = (text) => text.toLowerCase().includes(q);
      const texts = index.texts.map(has);
      const reps = index.reps.map((rep) => has(rep.name) || has(teamName(rep.team)));
      const rules = index.rules.map((rule) => has(rule.name));
      const isFound = (row) =>
        rules[row[RULE]] || reps[row[REP]] || texts[row[OWNER]] || texts[row[PERSONA]] || texts[row[SOURCE]] ||
        has(row[LEAD]);
      const places = [];
      rows.forEach((row, place) => {
        if (fits(row[RULE], row[REP]) && (!q || isFound(row))) places.push(place);
      });
      if (state.sort) {
        const sign = state.sort.startsWith("-") ? -1 : 1;
        const key = rows.map(SORTS[state.sort.replace(/^-/, "")]);
        places.sort((a, b) => (key[a] === key[b] ? a - b : key[a] < key[b] ? -sign : sign));
      }
      return places;
    }

    /* Rows. */

    const thisYear = new Date(one(".as-of time").dateTime).getUTCFullYear();
    const two = (value) => String(value).padStart(2, "0");

    // The seconds are of the reporting time zone's own clock, so no zone is needed to write them.
    function instant(seconds) {
      const at = new Date(seconds * 1000);
      const year = at.getUTCFullYear() === thisYear ? "" : ` ${at.getUTCFullYear()}`;
      const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
      return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}${year}, ${clock}`;
    }

    function duration(minutes) {
      if (minutes >= 2880) return `${number.format(Math.floor(minutes / 1440))}\u00a0days`;
      return minutes >= 120 ? `${Math.floor(minutes / 60)}\u00a0h` : `${minutes}\u00a0min`;
    }

    function leadLink(id) {
      if (!index.crm) return document.createTextNode(id || "(no id)");
      const link = document.createElement("a");
      let quoted = "";
      try {
        quoted = encodeURIComponent(id);
      } catch { /* half a character: no id of any CRM */ }
      link.href = index.crm.replace("{lead_id}", quoted);
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      link.textContent = id || "(no id)";
      return link;
    }

    function tableRow(row) {
      const isDue = state.list === "due";
      const rep = index.reps[row[REP]];
      const owner = index.texts[row[OWNER]];
      const made = document.createElement("tr");
      made.setAttribute("role", "row");
      const head = document.createElement("th");
      head.scope = "row";
      head.setAttribute("role", "rowheader");
      head.append(leadLink(row[LEAD]));
      made.append(head);
      const cell = (label, text, kind = "", note = "") => {
        const each = made.insertCell();
        each.setAttribute("role", "cell");
        each.dataset.label = label;
        each.textContent = text;
        each.className = kind;
        if (note) each.append(Object.assign(document.createElement("span"), { className: "note", textContent: note }));
      };
      cell("Rule", index.rules[row[RULE]].name);
      cell("Responsible", rep.name);
      cell("Team", teamName(rep.team), rep.team ? "" : "is-quiet");
      cell(isDue ? "Time left" : "Overdue", duration(row[MINUTES]), `number ${isDue ? "is-risk" : "is-breach"}`);
      cell("Deadline", instant(row[DUE]));
      cell("Touches", `${row[TOUCHES]} of ${row[REQUIRED]}`, "number");
      cell("Owner now", owner || "nobody", owner ? "" : "is-quiet");
      cell("Persona and source", index.texts[row[PERSONA]], "", index.texts[row[SOURCE]]);
      return made;
    }

    // The rows of the page that is shown, and how many there are in all.
    async function pageOfRows() {
      const list = index.lists[state.list];
      const asIs = !isFiltered() && !state.sort;
      const rows = asIs ? null : await everything(state.list);
      const places = asIs ? null : select(rows);
      const total = asIs ? list.rows : places.length;
      const page = Math.min(state.page, Math.max(0, Math.ceil(total / PAGE) - 1));
      const from = page * PAGE;
      if (!asIs) return { total, page, rows: places.slice(from, from + PAGE).map((place) => rows[place]) };
      // The list in its own order: the chunk of the page is all that is needed.
      const chunkOf = total ? await load(state.list, Math.floor(from / index.chunk)) : [];
      return { total, page, rows: chunkOf.slice(from % index.chunk, (from % index.chunk) + PAGE) };
    }

    function nothing(total) {
      if (total) return "";
      if (isFiltered() && index.lists[state.list].rows) return "No lead fits these filters.";
      if (isLate) return one(".late li:not([hidden])")?.textContent ?? "unknown";
      return state.list === "due" ? "Nothing is due soon." : "Nobody is on it.";
    }

    function showCount(total, shown) {
      const kind = state.list === "due" ? "due soon" : total === 1 ? "open violation" : "open violations";
      const whole = isFiltered() ? ` of ${number.format(index.lists[state.list].rows)}` : "";
      const from = state.page * PAGE;
      const part = `, ${number.format(from + 1)} to ${number.format(from + shown)} shown`;
      said.textContent = total ? `${number.format(total)}${whole} ${kind}${total > PAGE ? part : ""}` : "";
      const empty = one("#lead-empty");
      empty.hidden = total > 0;
      empty.textContent = nothing(total);
      table.closest(".scroll").hidden = total === 0;
    }

    function showPager(total) {
      const pager = one(".pager");
      const pages = Math.max(1, Math.ceil(total / PAGE));
      pager.hidden = pages === 1;
      one(".place", pager).textContent = `Page ${number.format(state.page + 1)} of ${number.format(pages)}`;
      for (const button of all("button", pager)) {
        button.disabled = button.dataset.step < 0 ? state.page === 0 : state.page === pages - 1;
      }
    }

    function showOrder() {
      const direction = state.sort.startsWith("-") ? "descending" : "ascending";
      for (const button of all(".sort", table)) {
        const header = button.closest("th");
        if (button.dataset.key === state.sort.replace(/^-/, "")) header.setAttribute("aria-sort", direction);
        else header.removeAttribute("aria-sort");
      }
      for (const list of ["open", "due"]) for (const label of all(`.for-${list}`)) label.hidden = list !== state.list;
    }

    let turn = 0;

    async function show() {
      const mine = ++turn;
      showFilters();
      table.setAttribute("aria-busy", "true");
      let found;
      try {
        found = await pageOfRows();
      } catch (error) {
        said.textContent = `The list could not be read (${error.message}). Load this page again.`;
        return;
      }
      // Somebody has asked for something else meanwhile.
      if (mine !== turn) return;
      state.page = found.page;
      toAddress();
      table.tBodies[0].replaceChildren(...found.rows.map(tableRow));
      showCount(found.total, found.rows.length);
      showPager(found.total);
      showOrder();
      table.removeAttribute("aria-busy");
      table.dataset.shown = String(found.total);
      scrollable();
    }

    function change(what) {
      state = { ...state, page: 0, ...what };
      return show();
    }

    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      fields.q.value = "";
      change({ ...FRESH, list: state.list });
    });
    form.addEventListener("change", ({ target: { name, value } }) => {
      const chosen = value === "" ? null : value.slice(1);
      if (name === "list") change({ list: value, sort: "" });
      if (name === "team") change({ team: chosen });
      if (name === "rule" || name === "rep") change({ [name]: chosen === null ? null : Number(chosen) });
    });
    let typing = 0;
    fields.q.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ q: fields.q.value }), 200);
    });
    for (const button of all(".sort", table)) {
      button.addEventListener("click", () => {
        const direction = nextDirection(button.closest("th"), ["minutes", "touches"].includes(button.dataset.key));
        change({ sort: (direction === "descending" ? "-" : "") + button.dataset.key });
      });
    }
    for (const button of all(".pager button")) {
      button.addEventListener("click", async () => {
        state.page += Number(button.dataset.step);
        await show();
        table.closest(".card").scrollIntoView({ block: "start" });
      });
    }

    async function drill() {
      // A plain #place is one of the page's own anchors.
      if (!location.hash.includes("=")) return;
      fromAddress();
      await show();
      const heading = one("#leads");
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: "start" });
    }

    window.addEventListener("hashchange", drill);
    if (location.hash.includes("=")) drill();
    else show();
  }

  /* ---- what scrolls sideways is reached by keyboard, and nothing else is -------------------------------------- */

  function scrollable() {
    for (const region of all(".scroll")) {
      if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    }
  }

  function start() {
    const isLate = freshness();
    window.addEventListener("resize", scrollable);
    document.addEventListener("toggle", scrollable, true);
    document.addEventListener("change", scrollable);
    for (const table of all("table.sortable")) sortable(table);
    switches();
    // On a phone the name of the page may lie beyond the edge.
    const here = one("[aria-current]");
    here?.closest("nav").scrollTo({ left: here.offsetLeft - 80 });
    leads(isLate);
    scrollable();
    drawVisible();
  }

  document.addEventListener("DOMContentLoaded", start);
  return { chunk };
})();
