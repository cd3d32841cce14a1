"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { policies, objects, findings } = data;
  const $ = (id) => document.getElementById(id);
  const [list, detail, search, shown] = ["list", "detail", "search", "shown"].map($);
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  // All text is set as text: nothing in a report is parsed as HTML.
  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  // Text in backticks is code.
  const prose = (text) =>
    text.split(/(`[^`\n]+`)/).map((part) => (/^`[^`]+`$/.test(part) ? make("code", "", part.slice(1, -1)) : part));

  const sentence = (text) => {
    const start = text.charAt(0).toUpperCase() + text.slice(1);
    return start.endsWith(".") ? start : `${start}.`;
  };

  const words = { action: { deny: "refused", warn: "warned", audit: "recorded" }, state: { new: "new", before: "already present", known: "already known" } };
  const orders = { action: ["deny", "warn", "audit"], severity: ["critical", "high", "medium", "low"], state: ["new", "before", "known"] };
  // Rows omit the folders that all files share; the selected finding shows the whole path.
  const folders = objects.map((object) => (object.template || object.file).split("/").slice(0, -1));
  const shared = folders.reduce((all, one) => all.slice(0, all.findIndex((name, at) => name !== one[at]) >>> 0), folders[0] || []).length;
  const short = (file) => file.split("/").slice(shared).join("/");
  for (const finding of findings) {
    const [policy, object] = [policies[finding.policy], objects[finding.object]];
    finding.state = finding.known ? "known" : finding.before ? "before" : "new";
    finding.category = policy.category;
    finding.namespace = object.namespace || "(none)";
    finding.file = object.template || object.file;
    finding.id = policy.id;
    // An object of a cluster is in no file.
    finding.place = object.template ? short(object.template) : object.file && `${short(object.file)}:${finding.line}`;
    finding.text = [finding.message, policy.id, policy.title, policy.category, object.name, object.file, object.template || "", finding.field, finding.fix, finding.binding || ""]
      .join("\n").toLowerCase();
  }

  /* The filters. They are part of the address, so that a view can be shared. */
  const facets = { action: (f) => f.action, severity: (f) => f.severity, state: (f) => f.state, category: (f) => f.category, policy: (f) => f.id, namespace: (f) => f.namespace, file: (f) => f.file };
  const names = Object.keys(facets);
  const asked = { text: "", order: "worst", tab: "findings", chosen: "" };
  const clear = () => { asked.text = ""; for (const name of names) asked[name] = new Set(); };
  clear();
  let view = [];
  let at = 0;

  const read = () => {
    const hash = new URLSearchParams(location.hash.slice(1));
    clear();
    asked.text = hash.get("q") || "";
    asked.order = sorts[hash.get("order")] ? hash.get("order") : "worst";
    asked.tab = ["findings", "checked", "open"].includes(hash.get("tab")) ? hash.get("tab") : "findings";
    asked.chosen = hash.get("finding") || "";
    for (const name of names) asked[name] = new Set(hash.getAll(name));
  };
  const write = () => {
    const hash = new URLSearchParams();
    if (asked.tab !== "findings") hash.set("tab", asked.tab);
    if (asked.text) hash.set("q", asked.text);
    for (const name of names) for (const value of asked[name]) hash.append(name, value);
    if (asked.order !== "worst") hash.set("order", asked.order);
    if (asked.chosen) hash.set("finding", asked.chosen);
    const text = hash.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };
  const sorts = {
    worst: (a, b) => a.rank - b.rank,
    file: (a, b) => compare(a.file, b.file) || a.line - b.line || a.rank - b.rank,
    policy: (a, b) => compare(a.id, b.id) || a.rank - b.rank,
  };
  findings.forEach((finding, rank) => { finding.rank = rank; });

  const fits = (finding, parts, but) =>
    names.every((name) => {
      if (name === but) return true;
      // Known findings are hidden unless selected.
      if (!asked[name].size) return name !== "state" || finding.news;
      return asked[name].has(facets[name](finding));
    }) && parts.every((part) => finding.text.includes(part));

  const filter = () => {
    const parts = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
    view = findings.filter((finding) => fits(finding, parts)).sort(sorts[asked.order]);
    at = Math.max(0, view.findIndex((finding) => finding.fingerprint === asked.chosen));
    facetsShown(parts);
    const total = findings.filter((finding) => finding.news).length;
    shown.textContent = `${view.length.toLocaleString("en")} of ${total.toLocaleString("en")} findings`;
    $("reset").disabled = !asked.text && names.every((name) => !asked[name].size);
    $("nothing").hidden = view.length > 0;
    $("nothing").textContent = findings.length ? "No finding matches these filters." : "No findings.";
    list.hidden = view.length === 0;
    document.querySelector(".filters").hidden = document.querySelector(".keys").hidden = !findings.length;
    const filters = names.filter((name) => asked[name].size).length;
    $("more").textContent = filters ? `Filters (${filters})` : "Filters";
    list.style.height = `calc(${view.length} * var(--row))`;
    rows.clear();
    list.replaceChildren();
    draw();
    open(false);
    write();
  };

  /* Each filter shows how many findings it would leave, given the others. */
  const facetsShown = (parts) => {
    for (const box of document.querySelectorAll("[data-facet]")) {
      const name = box.dataset.facet;
      const counts = new Map();
      for (const finding of findings) {
        const value = facets[name](finding);
        const more = fits(finding, parts, name) ? 1 : 0;
        counts.set(value, (counts.get(value) || 0) + more);
      }
      for (const value of asked[name]) if (!counts.has(value)) counts.set(value, 0);
      const values = [...counts.keys()].sort((a, b) => (orders[name] ? orders[name].indexOf(a) - orders[name].indexOf(b) : compare(a, b)));
      if (box.tagName === "SELECT") selectShown(box, name, values, counts);
      else chipsShown(box, name, values, counts);
    }
  };
  const chipsShown = (box, name, values, counts) => {
    const had = document.activeElement && box.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    box.replaceChildren();
    if (name === "state" && values.length < 2) return;
    for (const value of values) {
      const label = (words[name] && words[name][value]) || value;
      const chip = make("button", "", label, make("span", "count", counts.get(value).toLocaleString("en")));
      chip.type = "button";
      chip.dataset.value = value;
      const pressed = asked[name].has(value);
      chip.setAttribute("aria-pressed", String(pressed));
      chip.disabled = !pressed && counts.get(value) === 0;
      chip.addEventListener("click", () => {
        if (!asked[name].delete(value)) asked[name].add(value);
        filter();
      });
      box.append(chip);
      if (had === value) chip.focus();
    }
  };
  const selectShown = (box, name, values, counts) => {
    const options = [new Option("all", "")];
    for (const value of values) {
      const option = new Option(`${value} (${counts.get(value).toLocaleString("en")})`, value);
      option.selected = asked[name].has(value);
      if (counts.get(value) || option.selected) options.push(option);
    }
    box.replaceChildren(...options);
    box.classList.toggle("on", asked[name].size > 0);
    box.parentElement.hidden = values.length < 2 && !asked[name].size;
  };

  /* The list: only visible rows are in the document. */
  const rows = new Map();
  const rowHeight = () => {
    const size = getComputedStyle(document.documentElement);
    return parseFloat(size.getPropertyValue("--row")) * parseFloat(size.fontSize);
  };
  const draw = () => {
    if (asked.tab !== "findings" || !view.length) return;
    const height = rowHeight();
    const top = list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - 6);
    const last = Math.min(view.length, Math.ceil((innerHeight - top) / height) + 6);
    for (const [index, element] of rows) {
      // The selected row stays: assistive technology points at it.
      if ((index < first || index >= last) && index !== at) { element.remove(); rows.delete(index); }
    }
    for (let index = first; index < last; index += 1) add(index, height);
    add(at, height);
  };
  const add = (index, height) => {
    if (rows.has(index)) return;
    const element = row(view[index], index);
    element.style.top = `${index * height}px`;
    rows.set(index, element);
    const next = [...rows.keys()].filter((other) => other > index).sort((a, b) => a - b)[0];
    list.insertBefore(element, next === undefined ? null : rows.get(next));
  };
  const badge = (kind, value, text) => make("span", `badge ${kind} ${value}`, text || value);
  const row = (finding, index) => {
    const object = objects[finding.object];
    const element = make("div", `row ${finding.action}${finding.known ? " known" : ""}`,
      make("span", "what", finding.message),
      badge("severity", finding.severity),
      make("span", "where", make("span", "id", finding.id), [` · ${object.name}`, finding.place].filter(Boolean).join(" · ")));
    element.id = `row-${index}`;
    element.setAttribute("role", "option");
    element.setAttribute("aria-setsize", view.length);
    element.setAttribute("aria-posinset", index + 1);
    element.setAttribute("aria-selected", String(index === at));
    element.setAttribute("aria-label", `${words.action[finding.action]}, ${finding.severity}: ${finding.message}. ${[finding.id, object.name, finding.place].filter(Boolean).join(", ")}`);
    element.addEventListener("click", () => { choose(index); open(true); });
    return element;
  };

  const choose = (index) => {
    if (!view.length) return;
    at = Math.min(view.length - 1, Math.max(0, index));
    asked.chosen = view[at].fingerprint;
    for (const [place, element] of rows) element.setAttribute("aria-selected", String(place === at));
    const height = rowHeight();
    const top = list.getBoundingClientRect().top + at * height;
    const bar = barHeight();
    if (top < bar) scrollBy(0, top - bar - 8);
    else if (top + height > innerHeight) scrollBy(0, top + height - innerHeight + 8);
    draw();
    show();
    write();
  };
  const barHeight = () => document.querySelector(".filters").offsetHeight;
  const show = () => {
    const finding = view[at];
    detail.hidden = !finding;
    if (!finding) { list.removeAttribute("aria-activedescendant"); return; }
    list.setAttribute("aria-activedescendant", `row-${at}`);
    detail.className = `finding ${finding.action}${detail.classList.contains("open") ? " open" : ""}`;
    const close = make("button", "quiet close", "Close");
    close.type = "button";
    close.addEventListener("click", () => open(false, true));
    detail.replaceChildren(close, ...full(finding));
    detail.scrollTop = 0;
  };
  /* On a wide screen the selected finding is beside the list; on a narrow one it covers the list. */
  const narrow = matchMedia("(max-width: 800px)");
  const open = (wanted, back) => {
    detail.classList.toggle("open", wanted);
    show();
    if (wanted && narrow.matches) detail.focus({ preventScroll: true });
    if (back) list.focus({ preventScroll: true });
  };

  /* The full details of one finding. */
  const full = (finding) => {
    const [policy, object] = [policies[finding.policy], objects[finding.object]];
    const parts = [
      make("p", "badges", badge("action", finding.action, words.action[finding.action]), " ", badge("severity", finding.severity), " ",
        badge("state", "category", finding.category),
        ...(finding.state === "new" ? [] : [" ", badge("state", finding.state, words.state[finding.state])])),
      make("h2", "", ...prose(finding.message)),
    ];
    const about = make("dl", "about");
    const line = (name, ...value) => about.append(make("dt", "", name), make("dd", "", ...value));
    line("Object", make("b", "", object.name));
    if (finding.field) line("Field", make("code", "", finding.field));
    const place = make("code", "", `${object.file}:${finding.line}:${finding.column}`);
    if (object.template) line("Template", make("code", "", object.template));
    if (object.file) line(object.template ? "Rendered" : "File", place);
    line("Policy", make("code", "", policy.id));
    if (finding.binding) line("Binding", make("code", "", finding.binding));
    parts.push(about);
    if (finding.snippet) parts.push(snippet(finding));
    parts.push(make("div", "fix", make("h3", "", "How to fix it"), make("p", "", ...prose(finding.fix))));
    parts.push(make("h3", "", "Why"), make("p", "title", ...prose(sentence(policy.why || policy.title))));
    if (policy.description) parts.push(make("p", "", ...prose(policy.description)));
    for (const docs of policy.docs) parts.push(make("p", "", link(docs)));
    parts.push(make("p", "says", make("code", "", `stategate explain ${policy.id}`), " prints examples and parameters."));
    if (finding.details) {
      parts.push(make("h3", "", "Details"), make("pre", "snippet", make("code", "", finding.details)));
    }
    return parts;
  };
  const link = (docs) => {
    if (!/^https?:\/\//.test(docs)) return docs;
    const anchor = make("a", "", docs.replace(/^https?:\/\//, ""));
    anchor.href = docs;
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
    return anchor;
  };
  const snippet = (finding) => {
    const { first, before, node, after } = finding.snippet;
    let number = first;
    let line = make("code", "", make("span", "number", String(number)));
    const pre = make("pre", "snippet", line);
    pre.tabIndex = 0;
    pre.setAttribute("aria-label", `Lines of ${objects[finding.object].file}`);
    for (const [text, marked] of [[before, false], [node, true], [after, false]]) {
      text.split("\n").forEach((part, index) => {
        if (index > 0) {
          number += 1;
          line = make("code", "", make("span", "number", String(number)));
          pre.append(line);
        }
        const indent = marked && index > 0 ? part.match(/^\s*/)[0] : "";
        if (indent) line.append(indent);
        const rest = part.slice(indent.length);
        if (rest) line.append(marked ? make("mark", "", rest) : rest);
      });
    }
    return pre;
  };

  /* Sections of the page. */
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const turn = () => {
    for (const tab of tabs) {
      const name = tab.getAttribute("aria-controls");
      const now = name === asked.tab;
      tab.setAttribute("aria-selected", String(now));
      tab.tabIndex = now ? 0 : -1;
      $(name).hidden = !now;
    }
    draw();
  };
  const go = (name) => { asked.tab = name; turn(); write(); };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => go(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = tabs[(index + step + tabs.length) % tabs.length];
      go(next.getAttribute("aria-controls"));
      next.focus();
    });
  });

  /* Colours: those of the system, or the reader's choice. */
  const themes = ["system", "light", "dark"];
  const theme = $("theme");
  const paint = (name) => {
    theme.textContent = `Theme: ${name}`;
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
  };
  const keep = (name) => { try { localStorage.setItem("stategate-theme", name); } catch { /* a page from a file may keep nothing */ } };
  const kept = () => { try { return localStorage.getItem("stategate-theme"); } catch { return null; } };
  let painted = themes.includes(kept()) ? kept() : "system";
  paint(painted);
  theme.addEventListener("click", () => {
    painted = themes[(themes.indexOf(painted) + 1) % themes.length];
    paint(painted);
    keep(painted);
  });

  /* Keyboard shortcuts. */
  const typing = (target) => target instanceof Element && target.matches("input, select, textarea");
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, target } = event;
    if (key === "Escape") {
      if (target === search && search.value) { search.value = asked.text = ""; filter(); }
      else if (asked.tab === "findings") open(false, true);
      return;
    }
    if (target === search && (key === "Enter" || key === "ArrowDown")) {
      event.preventDefault();
      list.focus();
      choose(at);
      return;
    }
    if (typing(target)) return;
    if (key === "/") {
      event.preventDefault();
      if (asked.tab !== "findings") go("findings");
      search.focus();
      search.select();
      return;
    }
    if (asked.tab !== "findings") return;
    const page = Math.max(1, Math.floor(innerHeight / rowHeight()) - 3);
    const inList = target === list;
    const steps = { j: 1, k: -1 };
    if (inList) Object.assign(steps, { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -view.length, End: view.length });
    if (key in steps) {
      event.preventDefault();
      if (key.length === 1 && !inList && !detail.contains(target)) list.focus({ preventScroll: true });
      choose(at + (asked.chosen || steps[key] !== 1 ? steps[key] : 0));
    } else if (key === "Enter" && inList) {
      event.preventDefault();
      choose(at);
      open(true);
      detail.focus({ preventScroll: true });
    }
  });

  /* Print every finding that is shown. */
  addEventListener("beforeprint", () => {
    const sheets = view.map((finding) => make("article", `finding ${finding.action}`, ...full(finding)));
    $("print").replaceChildren(make("h2", "", `Findings: ${shown.textContent}`), ...sheets);
  });
  addEventListener("afterprint", () => $("print").replaceChildren());

  search.addEventListener("input", () => { asked.text = search.value; filter(); });
  $("order").addEventListener("change", (event) => { asked.order = event.target.value; filter(); });
  for (const box of document.querySelectorAll("select[data-facet]")) {
    box.addEventListener("change", () => { asked[box.dataset.facet] = new Set(box.value ? [box.value] : []); filter(); });
  }
  $("reset").addEventListener("click", () => { clear(); sync(); filter(); search.focus(); });
  $("more").addEventListener("click", () => {
    const now = $("facets").classList.toggle("open");
    $("more").setAttribute("aria-expanded", String(now));
  });
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll(".summary button")) {
    button.addEventListener("click", () => {
      clear();
      for (const [name, value] of Object.entries(button.dataset)) asked[name].add(value);
      sync();
      go("findings");
      filter();
      document.querySelector(".tabs").scrollIntoView({ block: "start" });
    });
  }
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); go("findings"); list.focus(); });
  addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", () => { rows.clear(); list.replaceChildren(); measure(); draw(); });
  addEventListener("hashchange", () => { read(); sync(); turn(); filter(); });
  const measure = () => document.documentElement.style.setProperty("--bar", `${barHeight()}px`);
  const sync = () => { search.value = asked.text; $("order").value = asked.order; };

  for (const part of [theme, document.querySelector(".tabs")]) part.hidden = false;
  read();
  sync();
  turn();
  filter();
  measure();
})();
