/*
  What moves on the pages: charts, sortable tables, panels of which one is shown, the list of leads, and data that grows late.
  No library but Vega (assets/vega.js), no request but for files of this folder. Texts of the data go in as text, never as markup.
*/
"use strict";

const leadSla = (() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const read = (element) => JSON.parse(element.textContent);
  const number = new Intl.NumberFormat("en");

  /* ---- charts -------------------------------------------------------------------------------------------------------- */

  // Marks name a style, and each style has a colour of the style sheet: light, dark and print need no drawing anew.
  const colour = (name) => `var(--${name})`;
  const line = (name, more) => ({ color: colour(name), strokeWidth: 2.5, strokeCap: "round", strokeJoin: "round", ...more });
  const dot = (name) => ({ color: colour(name), stroke: colour("card"), strokeWidth: 1.5, size: 56, opacity: 1, filled: true });
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
        if (item?.datum?.rep !== undefined) location.hash = new URLSearchParams({ ...filters, rep: item.datum.rep }).toString();
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

  /* ---- tables that can be sorted ------------------------------------------------------------------------------------- */

  const collator = new Intl.Collator("en", { numeric: true });

  // The first click on numbers shows the greatest first, on texts the first of the alphabet.
  const nextDirection = (header, isNumber) =>
    ({ ascending: "descending", descending: "ascending" })[header.getAttribute("aria-sort")] ?? (isNumber ? "descending" : "ascending");

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

  /* ---- panels, of which one is shown --------------------------------------------------------------------------------- */

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

  /* ---- data that grows late ------------------------------------------------------------------------------------------ */

  // A page outlives its night. Once a load should have come and the page is still the old one, "nothing" is not known any more.
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

  /* ---- the list of leads --------------------------------------------------------------------------------------------- */

  const waiting = {};

  // Each file of data/ calls this: a chunk of a list.
  function chunk(version, list, place, rows) {
    waiting[`${list}-${place}`]?.(version, rows);
  }

  function leads(isLate) {
    const table = one("#lead-table");
    if (!table) return;
    const index = read(one("#list"));
    const form = one(".filters");
    const [LEAD, RULE, REP, PERSONA, SOURCE, OWNER, DUE, MINUTES, TOUCHES, REQUIRED] = Array.from({ length: 10 }, (_, place) => place);
    const PAGE = 50;
    const teamName = (team) => team || "No team";
    // The columns: what a row shows, and what it is sorted by (numbers, or ranks of names, so that 100,000 rows sort at once).
    const ranks = (names) => {
      const order = names.map((_, place) => place).sort((a, b) => collator.compare(names[a], names[b]));
      const rank = [];
      order.forEach((place, at) => { rank[place] = at > 0 && names[place] === names[order[at - 1]] ? rank[order[at - 1]] : at; });
      return rank;
    };
    const ruleRank = ranks(index.rules.map((rule) => rule.name));
    const repRank = ranks(index.reps.map((rep) => rep.name));
    const teamRank = ranks(index.reps.map((rep) => teamName(rep.team)));
    const textRank = ranks(index.texts);
    const SORTS = {
      lead: null, rule: (row) => ruleRank[row[RULE]], rep: (row) => repRank[row[REP]], team: (row) => teamRank[row[REP]],
      minutes: (row) => row[MINUTES], due: (row) => row[DUE], touches: (row) => row[TOUCHES], owner: (row) => textRank[row[OWNER]],
      persona: (row) => textRank[row[PERSONA]],
    };
    const FRESH = { list: "open", rule: null, team: null, rep: null, q: "", sort: "", page: 0 };
    let state = { ...FRESH };
    let shown = null; // the places of the rows that are shown, in their order; null for all in the list's own order

    /* chunks */

    const store = {};
    for (const [name, list] of Object.entries(index.lists)) store[name] = { chunks: Array(list.chunks).fill(null), rows: null };

    function renew(why) {
      // Another version lies there now. Loading anew gives the page of that version; twice in vain is a broken copy.
      const key = `lead-sla-renewed-${location.pathname}`;
      let tried = null;
      try { tried = sessionStorage.getItem(key); sessionStorage.setItem(key, index.version); } catch { tried = index.version; }
      if (tried !== index.version) location.reload();
      throw new Error(why);
    }

    function load(list, place) {
      return (store[list].chunks[place] ??= new Promise((resolve, reject) => {
        const script = document.createElement("script");
        waiting[`${list}-${place}`] = (version, rows) => (version === index.version ? resolve(rows) : reject(new Error("version")));
        script.onerror = () => reject(new Error("missing"));
        script.src = `data/${list}-${place}.js`;
        document.head.append(script);
      }).catch((error) => renew(`data/${list}-${place}.js: ${error.message}`)));
    }

    async function everything(list) {
      const kept = store[list];
      kept.rows ??= (await Promise.all(kept.chunks.map((_, place) => load(list, place)))).flat();
      return kept.rows;
    }

    /* state and address */

    function fromAddress() {
      const asked = new URLSearchParams(location.hash.slice(1));
      const place = (items, id) => (id === null ? null : items.findIndex((item) => item.id === id));
      state = {
        list: asked.get("list") === "due" ? "due" : "open",
        rule: place(index.rules, asked.get("rule")),
        rep: place(index.reps, asked.get("rep")),
        team: asked.get("team"),
        q: asked.get("q") ?? "",
        sort: Object.hasOwn(SORTS, (asked.get("sort") ?? "").replace(/^-/, "")) ? asked.get("sort") : "",
        page: Math.max(0, (Number.parseInt(asked.get("page"), 10) || 1) - 1),
      };
    }

    function toAddress() {
      const said = new URLSearchParams();
      if (state.list !== "open") said.set("list", state.list);
      if (state.rule !== null) said.set("rule", index.rules[state.rule]?.id ?? "");
      if (state.team !== null) said.set("team", state.team);
      if (state.rep !== null) said.set("rep", index.reps[state.rep]?.id ?? "");
      if (state.q) said.set("q", state.q);
      if (state.sort) said.set("sort", state.sort);
      if (state.page) said.set("page", state.page + 1);
      history.replaceState(null, "", said.size ? `#${said}` : location.pathname + location.search);
    }

    /* filters */

    const fits = (rule, rep, but) =>
      (but === "rule" || state.rule === null || state.rule === rule) &&
      (but === "rep" || state.rep === null || state.rep === rep) &&
      (but === "team" || state.team === null || state.team === index.reps[rep].team);

    function options(select, entries, chosen, total) {
      // Each choice says how many rows it would show, given the other filters.
      const first = select.options[0];
      first.textContent = `${first.textContent.replace(/ \(.*/, "")} (${number.format(total)})`;
      const made = entries.filter((entry) => entry.rows || entry.value === chosen)
        .map((entry) => new Option(`${entry.name} (${number.format(entry.rows)})`, entry.value, false, entry.value === chosen));
      select.replaceChildren(first, ...made);
      if (chosen === null) select.value = "";
    }

    function showFilters() {
      const facets = index.lists[state.list].facets;
      const count = (but, is) => facets.reduce((sum, [rule, rep, rows]) => sum + (is(rule, rep) && fits(rule, rep, but) ? rows : 0), 0);
      const byName = (a, b) => collator.compare(a.name, b.name);
      const any = () => true;
      const teams = [...new Set(index.reps.map((rep) => rep.team))];
      options(form.elements.rule, index.rules.map((rule, place) => ({ name: rule.name, value: String(place), rows: count("rule", (at) => at === place) })),
        state.rule === null ? null : String(state.rule), count("rule", any));
      options(form.elements.team, teams.map((team) => ({ name: teamName(team), value: `=${team}`, rows: count("team", (_, rep) => index.reps[rep].team === team) })).sort(byName),
        state.team === null ? null : `=${state.team}`, count("team", any));
      options(form.elements.rep, index.reps.map((rep, place) => ({ name: rep.name, value: String(place), rows: count("rep", (_, at) => at === place) })).sort(byName),
        state.rep === null ? null : String(state.rep), count("rep", any));
      form.elements.list.value = state.list;
      if (document.activeElement !== form.elements.q) form.elements.q.value = state.q;
    }

    function select(rows) {
      const q = state.q.trim().toLowerCase();
      const has = (text) => text.toLowerCase().includes(q);
      const texts = index.texts.map(has);
      const reps = index.reps.map((rep) => has(rep.name) || has(teamName(rep.team)));
      const rules = index.rules.map((rule) => has(rule.name));
      const places = [];
      rows.forEach((row, place) => {
        if (!fits(row[RULE], row[REP])) return;
        if (!q || texts[row[OWNER]] || texts[row[PERSONA]] || texts[row[SOURCE]] || reps[row[REP]] || rules[row[RULE]] || has(row[LEAD])) places.push(place);
      });
      if (state.sort) {
        const sign = state.sort.startsWith("-") ? -1 : 1;
        const name = state.sort.replace(/^-/, "");
        const key = rows.map(name === "lead" ? (row) => row[LEAD] : SORTS[name]);
        places.sort((a, b) => (key[a] === key[b] ? a - b : key[a] < key[b] ? -sign : sign));
      }
      return places;
    }

    /* rows */

    const asOfYear = new Date(one(".as-of time").dateTime).getUTCFullYear();
    const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const two = (value) => String(value).padStart(2, "0");

    // The seconds are of the reporting time zone's own clock, so no zone is needed to write them.
    function instant(seconds) {
      const at = new Date(seconds * 1000);
      const year = at.getUTCFullYear() === asOfYear ? "" : ` ${at.getUTCFullYear()}`;
      return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}${year}, ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    }

    function duration(minutes) {
      if (minutes >= 2880) return `${number.format(Math.floor(minutes / 1440))}\u00a0days`;
      return minutes >= 120 ? `${Math.floor(minutes / 60)}\u00a0h` : `${minutes}\u00a0min`;
    }

    function lead(id) {
      if (!index.crm) return document.createTextNode(id || "(no id)");
      const link = document.createElement("a");
      let quoted = "";
      try { quoted = encodeURIComponent(id); } catch { /* half a character: no id of any CRM */ }
      link.href = index.crm.replace("{lead_id}", () => quoted);
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      link.textContent = id || "(no id)";
      return link;
    }

    function tableRow(row) {
      const rep = index.reps[row[REP]];
      const made = document.createElement("tr");
      made.setAttribute("role", "row");
      const head = document.createElement("th");
      head.scope = "row";
      head.setAttribute("role", "rowheader");
      head.append(lead(row[LEAD]));
      made.append(head);
      for (const [label, text, kind, note] of [
        ["Rule", index.rules[row[RULE]].name, "", ""], ["Responsible", rep.name, "", ""], ["Team", teamName(rep.team), rep.team ? "" : "is-quiet", ""],
        [state.list === "due" ? "Time left" : "Overdue", duration(row[MINUTES]), `number ${state.list === "due" ? "is-risk" : "is-breach"}`, ""],
        ["Deadline", instant(row[DUE]), "", ""],
        ["Touches", `${row[TOUCHES]} of ${row[REQUIRED]}`, "number", ""],
        ["Owner now", index.texts[row[OWNER]] || "nobody", index.texts[row[OWNER]] ? "" : "is-quiet", ""],
        ["Persona and source", index.texts[row[PERSONA]], "", index.texts[row[SOURCE]]],
      ]) {
        const cell = made.insertCell();
        cell.setAttribute("role", "cell");
        cell.dataset.label = label;
        cell.textContent = text;
        if (kind) cell.className = kind;
        if (note) {
          const second = document.createElement("span");
          second.className = "note";
          second.textContent = note;
          cell.append(second);
        }
      }
      return made;
    }

    let turn = 0;

    async function show() {
      const mine = ++turn;
      const list = index.lists[state.list];
      const isFiltered = state.rule !== null || state.team !== null || state.rep !== null || state.q.trim() !== "";
      showFilters();
      toAddress();
      table.setAttribute("aria-busy", "true");
      let rows, total;
      try {
        if (isFiltered || state.sort) {
          const every = await everything(state.list);
          if (mine !== turn) return;
          shown = select(every);
          total = shown.length;
          state.page = Math.min(state.page, Math.max(0, Math.ceil(total / PAGE) - 1));
          rows = shown.slice(state.page * PAGE, (state.page + 1) * PAGE).map((place) => every[place]);
        } else {
          // The list's own order: the chunk of the page is all that is needed.
          total = list.rows;
          state.page = Math.min(state.page, Math.max(0, Math.ceil(total / PAGE) - 1));
          const at = state.page * PAGE;
          rows = total ? (await load(state.list, Math.floor(at / index.chunk))).slice(at % index.chunk, (at % index.chunk) + PAGE) : [];
          if (mine !== turn) return;
        }
      } catch (error) {
        one(".filters ~ .count").textContent = `The list could not be read (${error.message}). Load this page again; if that does not help, write the dashboard anew.`;
        return;
      }
      table.tBodies[0].replaceChildren(...rows.map(tableRow));
      const from = state.page * PAGE;
      const said = state.list === "due" ? "due soon" : total === 1 ? "open violation" : "open violations";
      const kept = isFiltered ? ` of ${number.format(list.rows)}` : "";
      one(".filters ~ .count").textContent = total
        ? `${number.format(total)}${kept} ${said}${total > PAGE ? `, ${number.format(from + 1)} to ${number.format(from + rows.length)} shown` : ""}`
        : "";
      const empty = one("#lead-empty");
      empty.hidden = total > 0;
      empty.textContent = isFiltered && list.rows ? "No lead fits these filters." : isLate ? one(".late li:not([hidden])")?.textContent ?? "unknown" : state.list === "due" ? "Nothing is due soon." : "Nobody is on it.";
      table.closest(".scroll").hidden = total === 0;
      const pager = one(".pager");
      pager.hidden = total <= PAGE;
      one(".place", pager).textContent = `Page ${number.format(state.page + 1)} of ${number.format(Math.max(1, Math.ceil(total / PAGE)))}`;
      for (const button of all("button", pager)) button.disabled = button.dataset.step < 0 ? state.page === 0 : from + PAGE >= total;
      for (const name of ["open", "due"]) for (const label of all(`.for-${name}`)) label.hidden = name !== state.list;
      const sorted = state.sort.replace(/^-/, "");
      for (const button of all(".sort", table)) {
        const direction = button.dataset.key === sorted ? (state.sort.startsWith("-") ? "descending" : "ascending") : null;
        if (direction) button.closest("th").setAttribute("aria-sort", direction);
        else button.closest("th").removeAttribute("aria-sort");
      }
      table.removeAttribute("aria-busy");
      table.dataset.shown = String(total);
      scrollable();
    }

    const change = (what) => { state = { ...state, page: 0, ...what }; return show(); };

    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => { event.preventDefault(); form.elements.q.value = ""; change({ ...FRESH, list: state.list }); });
    form.addEventListener("change", (event) => {
      const { name, value } = event.target;
      if (name === "list") change({ list: value, sort: "" });
      if (name === "rule" || name === "rep") change({ [name]: value === "" ? null : Number(value) });
      if (name === "team") change({ team: value === "" ? null : value.slice(1) });
    });
    let typing = 0;
    form.elements.q.addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ q: event.target.value }), 200);
    });
    for (const button of all(".sort", table)) {
      button.addEventListener("click", () => {
        const direction = nextDirection(button.closest("th"), ["minutes", "touches"].includes(button.dataset.key));
        change({ sort: (direction === "descending" ? "-" : "") + button.dataset.key });
      });
    }
    for (const button of all(".pager button")) {
      button.addEventListener("click", () => {
        state.page += Number(button.dataset.step);
        show().then(() => table.closest(".card").scrollIntoView({ block: "start" }));
      });
    }
    const drill = () => {
      // A plain #place is one of the page's own anchors.
      if (!location.hash.includes("=")) return;
      fromAddress();
      show().then(() => {
        const heading = one("#leads");
        heading.focus({ preventScroll: true });
        heading.scrollIntoView({ block: "start" });
      });
    };
    window.addEventListener("hashchange", drill);
    if (location.hash.includes("=")) drill();
    else show();
  }

  /* ---- what scrolls sideways is reached by keyboard, and nothing else is ------------------------------------------------ */

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
