"use strict";
// The panel of the master. It shows what panel/api tells and asks again every few
// seconds; the address after # says what is shown. Nothing is written as HTML:
// every text becomes a text node.
(() => {
  // ---- Elements -----------------------------------------------------------

  const $ = (id) => document.getElementById(id);

  // h makes an element. Properties beginning with "on" are handlers, kept as
  // properties so that morph can carry them over; others are attributes.
  function h(tag, props, ...children) {
    const el = document.createElement(tag);
    for (const [name, value] of Object.entries(props || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) el["$" + name.slice(2)] = value;
      else if (name === "value") { el.value = value; if (tag === "input") el.setAttribute("value", value); }
      else el.setAttribute(name, value === true ? "" : value);
    }
    el.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
    return el;
  }

  for (const kind of ["click", "input", "change", "submit"]) {
    document.addEventListener(kind, (event) => {
      for (let el = event.target; el && el !== document; el = el.parentElement) {
        const handler = el["$" + kind];
        if (handler) { handler(event, el); return; }
      }
    });
  }

  // morph changes an element into another one and keeps what the person did to
  // it: focus, open sections, texts being typed, places of scrolling.
  function morph(old, next) {
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value && !(name === "open" && old.tagName === "DETAILS")) old.setAttribute(name, value);
    }
    for (const kind of ["$click", "$input", "$change", "$submit"]) old[kind] = next[kind];
    if (old.tagName === "INPUT" && old !== document.activeElement && old.value !== next.value) old.value = next.value;
    morphChildren(old, next);
  }

  const keyOf = (node) => (node.nodeType === 1 ? node.tagName + " " + (node.getAttribute("data-key") || "") : "#" + node.nodeType);

  function morphChildren(old, next) {
    const pool = new Map();
    for (const child of [...old.childNodes]) {
      const key = keyOf(child);
      if (!pool.has(key)) pool.set(key, []);
      pool.get(key).push(child);
    }
    let place = old.firstChild;
    for (const child of [...next.childNodes]) {
      const match = (pool.get(keyOf(child)) || []).shift();
      if (!match) { old.insertBefore(child, place); continue; }
      if (match === place) place = place.nextSibling;
      else old.insertBefore(match, place);
      if (match.nodeType !== 1) { if (match.data !== child.data) match.data = child.data; } else morph(match, child);
    }
    for (const rest of pool.values()) for (const child of rest) child.remove();
  }

  // ---- The master ---------------------------------------------------------

  let skew = 0; // seconds by which the master's clock is ahead

  async function answerOf(response) {
    const date = Date.parse(response.headers.get("Date") || "");
    if (date) skew = (date - Date.now()) / 1000;
    if (response.status === 304) return null;
    const text = await response.text();
    let body;
    try { body = JSON.parse(text); } catch { body = undefined; }
    if (response.ok && body !== undefined) return body;
    let message = body && body.error && body.error.message;
    if (!message) {
      const page = new DOMParser().parseFromString(text, "text/html").querySelector("p");
      message = (page && page.textContent) || `The answer ${response.status} ${response.statusText} was not understood.`;
    }
    const failure = new Error(message);
    failure.status = response.status;
    throw failure;
  }

  async function call(path, options) {
    let response;
    try {
      response = await fetch("api/" + path, { credentials: "same-origin", redirect: "error", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The master does not answer. Is it running, and is this machine connected to it?");
    }
    return { body: await answerOf(response), etag: response.headers.get("Etag") };
  }

  const view = async (path, query) => (await call(path + search(query))).body;
  const post = async (name, body) => (await call(name, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  })).body;

  function search(query) {
    const q = new URLSearchParams();
    for (const [k, v] of Object.entries(query || {})) if (v !== undefined && v !== "" && v !== null) q.set(k, v);
    const text = q.toString();
    return text && "?" + text;
  }

  // ---- Small pieces -------------------------------------------------------

  const link = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");
  const instanceLink = (row) => (row.key ? link("shared", row.computer, row.key) : link("instance", row.computer, row.partition));

  const badge = (kind, text) => h("span", { class: "badge " + kind }, text || kind);

  function stateBadge(state) {
    return h("span", { class: "badge", title: "The state that is wanted" }, "wanted: " + state);
  }

  const healthTexts = {
    ok: "as wanted", pending: "not there yet", building: "installing", error: "error", silent: "silent", unknown: "no report",
  };

  function healthBadge(status, texts) {
    let text = (texts && texts[status.health]) || healthTexts[status.health] || status.health;
    if (status.health === "ok" && status.reported_state && !texts) text = status.reported_state;
    return h("span", { class: "badge " + status.health, title: status.text || "Nothing was reported yet" }, text);
  }

  function ago(seconds) {
    if (!seconds) return h("span", { class: "soft" }, "never");
    const age = Date.now() / 1000 + skew - seconds;
    const date = new Date(seconds * 1000);
    let text = "just now";
    if (age >= 172800) text = Math.floor(age / 86400) + " days ago";
    else if (age >= 7200) text = Math.floor(age / 3600) + " h ago";
    else if (age >= 120) text = Math.floor(age / 60) + " min ago";
    else if (age >= 5) text = Math.floor(age) + " s ago";
    return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, text);
  }

  const facts = (pairs) => h("dl", {}, pairs.filter(Boolean).map(([name, ...value]) => [h("dt", {}, name), h("dd", {}, value)]));

  const webAddress = (text) => /^https?:\/\/[^\s]+$/i.test(text);
  const isSecret = (name, text) => /pass|secret|token|credential|private|(^|[^a-z])key|auth/i.test(name) || /^[a-z][a-z0-9+.-]*:\/\/[^/\s]*:[^/\s]*@/i.test(text);

  const revealed = new Set(); // secrets that were clicked on this view

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Only pages that came over TLS or from this machine have the clipboard.
      const area = h("textarea", { value: text });
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) { toast("This browser does not let the page copy: select the text instead"); return; }
    }
    toast("Copied");
  }

  // indented is a JSON object or list on several lines; other texts stay.
  function indented(text) {
    if (!/^\s*[[{]/.test(text)) return text;
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  }

  function shownValue(name, value) {
    const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    const shown = indented(text);
    const secret = isSecret(name, text) && text !== "";
    if (secret && !revealed.has(name)) {
      return [h("button", { class: "tiny", onclick: () => { revealed.add(name); render(); } }, "Show"), text];
    }
    let node = text === "" ? h("span", { class: "soft" }, "empty") : text;
    if (webAddress(text)) node = h("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
    else if (shown.includes("\n")) node = h("pre", { tabindex: "0" }, shown);
    else if (text !== "") node = h("span", { class: "mono" }, text);
    const hide = secret && h("button", { class: "tiny", onclick: () => { revealed.delete(name); render(); } }, "Hide");
    return [[node, hide && " ", hide], text];
  }

  // unfolded shows the content of the one parameter "_", which holds JSON.
  function unfolded(values) {
    const names = Object.keys(values);
    if (names.length !== 1 || names[0] !== "_") return values;
    try {
      const content = JSON.parse(values._);
      if (content && typeof content === "object" && !Array.isArray(content)) return content;
    } catch { /* is shown as it is */ }
    return values;
  }

  function parameterTable(values, nothing) {
    const shown = unfolded(values);
    const names = Object.keys(shown).sort();
    if (!names.length) return h("p", { class: "soft" }, nothing);
    return h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Name"), h("th", {}, "Value"), h("th", {}))), h("tbody", {}, names.map((name) => {
      const [node, text] = shownValue(name, shown[name]);
      return h("tr", { "data-key": name },
        h("td", { class: "soft" }, name), h("td", {}, node),
        h("td", { class: "act" }, h("button", { class: "tiny", "aria-label": "Copy " + name, onclick: () => copy(text) }, "Copy")));
    })));
  }

  const addressList = (addresses) => addresses.map((a) => h("div", { class: "mono" }, a.address, a.interface && h("span", { class: "soft" }, " " + a.interface)));

  function releaseName(url) {
    return h("span", { class: "mono", title: url }, url);
  }

  function eventCard(title, event, failed) {
    if (!event) return null;
    return h("details", { class: "card", "data-key": title, open: failed },
      h("summary", {}, h("strong", {}, title), " ", ago(event.at)), h("pre", { tabindex: "0" }, event.text || "(no text)"));
  }

  let toastTimer;
  function toast(text) {
    clearTimeout(toastTimer);
    $("toast").textContent = text;
    toastTimer = setTimeout(() => { $("toast").textContent = ""; }, 4000);
  }

  // ---- Dialogs ------------------------------------------------------------

  // ask opens a dialog. What run refuses is told inside, and the dialog stays.
  function ask({ title, text, label, value, ok, danger, run }) {
    const dialog = $("dialog");
    const before = document.activeElement;
    const input = label && h("input", { type: "text", id: "dialog-input", value: value || "", autocomplete: "off" });
    const failure = h("div", { class: "failure", role: "alert" });
    const close = () => { dialog.close(); dialog.replaceChildren(); if (before && before.isConnected) before.focus(); else $("main").focus(); };
    const yes = h("button", { type: "submit", class: danger ? "danger" : "primary" }, ok);
    const form = h("form", { onsubmit: async (event) => {
      event.preventDefault();
      yes.disabled = true;
      failure.textContent = "";
      try { await run(input ? input.value : undefined); close(); refresh(); } catch (error) { failure.textContent = error.message; yes.disabled = false; yes.focus(); }
    } },
    h("h2", { id: "dialog-title" }, title), text && h("p", {}, text),
    label && h("div", { class: "field" }, h("label", { for: "dialog-input" }, label), input), failure,
    h("div", { class: "row" }, yes, h("button", { type: "button", onclick: close }, "Cancel")));
    dialog.replaceChildren(form);
    dialog.oncancel = (event) => { event.preventDefault(); close(); };
    dialog.showModal();
    (input || form.querySelector("button[type=button]")).focus();
    if (input) input.select();
  }

  // ---- What is shown ------------------------------------------------------

  let current = null; // { route, args, query, data, etag, node, failure }
  let timer;
  let reading = null;

  function place() {
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    let parts;
    try { parts = path.split("/").map(decodeURIComponent); } catch { parts = ["?"]; }
    return { name: parts[0] || "services", args: parts.slice(1), query: Object.fromEntries(new URLSearchParams(query || "")) };
  }

  function setQuery(query) {
    history.replaceState(null, "", location.hash.split("?")[0] + search(query));
    if (current) current.query = query;
  }

  async function navigate(event) {
    const { name, args, query } = place();
    const route = routes[name];
    if ($("dialog").open) { $("dialog").close(); $("dialog").replaceChildren(); }
    revealed.clear();
    leaving();
    current = { route, args, query, data: null, etag: null, failure: "", name };
    for (const a of document.querySelectorAll("nav a")) {
      if (a.getAttribute("href") === "#/" + ((route && route.nav) || name)) a.setAttribute("aria-current", "page");
      else a.removeAttribute("aria-current");
    }
    const mine = current;
    $("main").replaceChildren(h("p", { class: "soft" }, "…"));
    scrollTo(0, 0);
    if (event) $("main").focus();
    if (!route) { show(h("div", { class: "card" }, h("h1", {}, "Nothing here"), h("p", {}, "There is no such view. ", h("a", { href: "#/services" }, "All services")))); return; }
    if (route.form) {
      try {
        const node = await route.form(args, query);
        if (mine === current) show(node);
      } catch (error) { if (mine === current) show(failurePage(error)); }
      return;
    }
    refresh();
  }

  function show(node) {
    const title = node.querySelector("h1");
    document.title = (title ? title.textContent + " – " : "") + "SlapOS master";
    $("main").replaceChildren(node);
  }

  const failurePage = (error) => h("div", {}, h("h1", {}, error.status === 404 ? "Not there" : "This cannot be shown"),
    h("div", { class: "failure", role: "alert" }, error.message),
    h("p", { class: "row" }, h("a", { class: "button", href: "#/services" }, "All services"), h("button", { onclick: () => navigate() }, "Try again")));

  // read asks for the view. The master searches some thousand rows at once: where
  // it found nothing, it is asked to search on.
  async function read(mine, signal) {
    for (let again = 0; ; again++) {
      const [path, query] = mine.route.load(mine.args, mine.query);
      const headers = mine.etag ? { "If-None-Match": mine.etag } : {};
      const got = await call(path + search(query), { headers, signal, cache: "no-store" });
      const list = got.body && mine.route.list && mine.route.list(got.body);
      if (!list || list.rows.length || !list.next || !query.q || query.before || again === 100 || mine !== current) return got;
      setQuery({ ...mine.query, after: list.next });
      mine.etag = null;
    }
  }

  // refresh reads the view again and shows what changed.
  async function refresh() {
    clearTimeout(timer);
    const mine = current;
    if (!mine || !mine.route || mine.route.form) return;
    if (reading) reading.abort();
    const control = new AbortController();
    reading = control;
    const start = performance.now();
    try {
      const { body, etag } = await read(mine, control.signal);
      if (mine !== current || control.signal.aborted) return;
      if (body !== null) { mine.data = body; mine.etag = etag; }
      $("offline").hidden = true;
      mine.gone = null;
      render();
    } catch (error) {
      if (error.name === "AbortError" || mine !== current) return;
      if (error.status === 404 && mine.data) mine.gone = error;
      if (!mine.data || mine.gone) {
        show(failurePage(error));
        mine.data = null;
        mine.etag = null;
      } else {
        $("offline").textContent = error.message + " What is shown may be old; trying again.";
        $("offline").hidden = false;
      }
    }
    if (mine === current) {
      // A master that takes long is asked less often; a hidden page does not ask.
      clearTimeout(timer);
      timer = setTimeout(() => { if (!document.hidden) refresh(); }, Math.max(3000, 20 * (performance.now() - start)));
    }
  }

  function render() {
    if (!current || !current.data) return;
    const node = h("div", { "data-key": location.hash.split("?")[0] },
      current.failure && h("div", { class: "failure", role: "alert", "data-key": "failure" }, current.failure, " ",
        h("button", { class: "tiny", onclick: () => { current.failure = ""; render(); } }, "Dismiss")),
      current.route.render(current.data, current.args, current.query));
    const shown = $("main").firstElementChild;
    if (shown && $("main").childElementCount === 1 && shown.getAttribute("data-key") === node.getAttribute("data-key")) {
      morph(shown, node);
      document.title = $("main").querySelector("h1").textContent + " – SlapOS master";
    } else show(node);
  }

  // act carries out an action of a button and tells its failure in place.
  async function act(name, body, done) {
    current.failure = "";
    try {
      await post(name, body);
      toast(done);
    } catch (error) { current.failure = error.message; }
    render();
    refresh();
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

  // ---- Lists --------------------------------------------------------------

  let searchTimer;
  function searchBox(query, what) {
    return h("input", { type: "search", class: "search", id: "search", "aria-label": "Search " + what, placeholder: "Search " + what, maxlength: "200", value: query.q || "",
      oninput: (event, el) => {
        clearTimeout(searchTimer);
        searchTimer = setTimeout(() => { setQuery({ q: el.value }); current.etag = null; refresh(); }, 250);
      } });
  }

  // The master counts no further than this.
  const mostCounted = 1000;
  const many = (n) => (n > mostCounted ? mostCounted + "+" : String(n));

  // turn shows another page. The place is kept at the top, where it can be turned
  // again.
  async function turn(query, name) {
    clearTimeout(searchTimer);
    history.pushState(null, "", location.hash.split("?")[0] + search(query));
    current.query = query;
    current.etag = null;
    await refresh();
    const bar = document.querySelector(".pages");
    if (!bar) return;
    (bar.querySelector(`a[data-key=${name}]`) || bar.querySelector("a") || $("main")).focus({ preventScroll: true });
    (bar.closest("[data-key=partitions]") || bar.closest("section")).scrollIntoView();
  }

  function pages(list, query, key) {
    const rows = list.rows.length;
    let start = list.previous ? Number(query.n) || 0 : 0; // how many are before, as far as is known
    if (list.previous && !list.next && list.count >= rows && list.count <= mostCounted) start = list.count - rows;
    if (!list.previous && !list.next) return query.q && rows ? h("div", { class: "pages soft", "data-key": key }, `${rows} found`) : null;
    const go = (name, text, place) => {
      const to = { q: query.q, ...place };
      return h("a", { class: "button", "data-key": name, href: location.hash.split("?")[0] + search(to),
        onclick: (event) => { if (!event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); turn(to, name); } } }, text);
    };
    let text = `${start + 1}–${start + rows} of ${list.count > mostCounted ? "more than " + mostCounted : list.count}`;
    if (list.count < 0) text = rows ? `${rows} found here` : "";
    return h("nav", { class: "pages", "aria-label": "Pages", "data-key": key },
      h("span", { class: "soft", role: "status" }, text),
      list.previous && go("first", "First", {}),
      list.previous && go("previous", "Previous", { before: list.previous, n: Math.max(0, start - 50) || undefined }),
      list.next && go("next", rows || !query.q ? "Next" : "Search on", { after: list.next, n: start + rows }));
  }

  // listed is a list between its pages.
  const listed = (list, query, node) => [pages(list, query, "above"), node, list.rows.length > 10 && (list.previous || list.next) && pages(list, query, "below")];

  // none tells why there are no rows.
  function none(list, query, what, otherwise) {
    if (!query.q) return otherwise;
    return [`No ${what} matches “${query.q}”` + (list.next ? " among those searched so far. " : ". "),
      h("a", { href: location.hash.split("?")[0] }, "Show all")];
  }

  function table(columns, rows, nothing) {
    if (!rows.length) return h("p", { class: "soft" }, nothing);
    return h("table", {}, h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col" }, c)))), h("tbody", {}, rows.map(([key, ...cells]) =>
      h("tr", { "data-key": key }, cells.map((cell, i) => h("td", { "data-label": i ? columns[i] : undefined, class: columns[i] === "" ? "act" : undefined }, cell))))));
  }

  const paged = (query) => ({ q: query.q, after: query.after, before: query.before });
  const whole = (list) => list;

  const services = {
    list: whole,
    load: (args, query) => ["services", paged(query)],
    render: (list, args, query) => h("section", {},
      h("div", { class: "head" }, h("h1", {}, "Services"), searchBox(query, "services")),
      h("div", { class: "card" }, listed(list, query, table(["Title", "State", "Report", "Software", "Where", "Instances"], list.rows.map((row) => [
        row.computer + " " + (row.key || row.partition),
        [h("a", { href: instanceLink(row) }, row.title || "(no title)"), row.key && [" ", badge("shared")]],
        stateBadge(row.state), healthBadge(row.status),
        [releaseName(row.release), h("div", { class: "soft small" }, row.type)],
        h("a", { href: link("computer", row.computer) }, row.computer),
        [many(row.instances), row.failing ? [" ", badge("error", many(row.failing) + " failing")] : null],
      ]), none(list, query, "service", ["Nothing was requested yet. ", h("a", { href: "#/request" }, "Request an instance")]))))),
  };

  const computerHealth = { ok: "in contact", silent: "silent", unknown: "never came" };

  const computers = {
    list: whole,
    load: (args, query) => ["computers", paged(query)],
    render: (list, args, query) => h("section", {},
      h("div", { class: "head" }, h("h1", {}, "Computers"), searchBox(query, "computers")),
      h("div", { class: "card" }, listed(list, query, table(["Computer", "Report", "Last contact", "Partitions", "Releases"], list.rows.map((c) => [
        c.computer,
        [h("a", { href: link("computer", c.computer) }, c.computer), c.address && h("div", { class: "soft small mono" }, c.address)],
        healthBadge(c.status, computerHealth), ago(c.status.reported_at),
        [`${many(c.free)} of ${many(c.partitions)} free`, c.failing ? [" ", badge("error", many(c.failing) + " failing")] : null],
        many(c.releases),
      ]), none(list, query, "computer", "There is no computer yet: run slapos node format on one."))))),
  };

  const releaseHealth = { ok: "installed", building: "installing", unknown: "no report" };

  function removeRelease(i) {
    ask({
      title: "Remove this release?", danger: true, ok: "Remove",
      text: `${i.url} is removed from ${i.computer}.` + (i.instances ? ` ${many(i.instances)} instance(s) there use it and will fail.` : " No instance there uses it."),
      run: async () => { await post("supply", { computer: i.computer, release: i.url, state: "destroyed" }); toast("To be removed"); },
    });
  }

  function installationActions(i) {
    const supply = h("button", { class: "tiny", "aria-label": `Supply ${i.url} again on ${i.computer}`,
      onclick: () => act("supply", { computer: i.computer, release: i.url, state: "available" }, "Supplied") }, "Supply again");
    if (i.state === "destroyed") return supply;
    return h("div", { class: "row" },
      h("a", { class: "button tiny", href: "#/request" + search({ release: i.url, computer: i.computer }) }, "Request"),
      h("button", { class: "tiny danger", "aria-label": `Remove ${i.url} from ${i.computer}`, onclick: () => removeRelease(i) }, "Remove"));
  }

  function failureOf(i) {
    if (!i.error) return null;
    return h("details", { "data-key": "error" }, h("summary", {}, "Last error ", ago(i.error.at)), h("pre", { tabindex: "0" }, i.error.text));
  }

  function supplyDialog(computer) {
    ask({
      title: "Supply a release on " + computer, label: "URL of the software release", ok: "Supply",
      run: async (url) => { await post("supply", { computer, release: url.trim(), state: "available" }); toast("Supplied"); },
    });
  }

  const computer = {
    nav: "computers",
    list: (c) => c.partition_list,
    load: (args, query) => ["computer", { computer: args[0], ...paged(query) }],
    render: (c, args, query) => h("section", {},
      h("p", { class: "crumbs" }, h("a", { href: "#/computers" }, "Computers"), " / ", c.computer),
      h("div", { class: "head" }, h("h1", {}, c.computer), h("div", { class: "row" }, healthBadge(c.status, computerHealth),
        h("button", { class: "primary", onclick: () => supplyDialog(c.computer) }, "Supply a release"))),
      h("div", { class: "card" }, facts([
        ["Last contact", ago(c.status.reported_at)], ["Report", c.status.text || "none yet"],
        ["Address", h("span", { class: "mono" }, c.address || "–", c.netmask && ` (netmask ${c.netmask})`)],
        ["Partitions", `${many(c.free)} of ${many(c.partitions)} free`],
      ])),
      eventCard("Last bang", c.bang),
      h("div", { class: "card", "data-key": "software" }, h("h2", {}, "Software releases"), table(["Release", "State", "Report", "Instances", ""], c.software.map((i) => [
        i.url, [releaseName(i.url), failureOf(i)], stateBadge(i.state), [healthBadge(i.status, releaseHealth), " ", h("span", { class: "soft small" }, ago(i.status.reported_at))],
        many(i.instances), installationActions(i),
      ]), "No release is supplied here."), c.releases > c.software.length && h("p", { class: "soft" }, `The first ${c.software.length} of ${many(c.releases)}. `, h("a", { href: "#/releases" + search({ q: c.computer }) }, "Search the others"))),
      h("div", { class: "card", "data-key": "partitions" }, h("div", { class: "head" }, h("h2", {}, "Partitions"), searchBox(query, "partitions")),
        listed(c.partition_list, query, table(["Partition", "Instance", "State", "Report", "Addresses", "Changed"], c.partition_list.rows.map((p) => [
          p.partition, p.partition,
          p.instance ? [h("a", { href: instanceLink(p.instance) }, p.instance.title || "(no title)"), p.instance.is_root ? null : h("div", { class: "soft small" }, "of " + p.instance.root),
            p.shared ? [" ", badge("shared", many(p.shared) + " shared")] : null, p.instance.hidden ? [" ", badge("stopped", "hidden")] : null] : h("span", { class: "soft" }, "free"),
          p.instance ? stateBadge(p.instance.state) : null, p.instance ? healthBadge(p.instance.status) : null,
          addressList(p.addresses), p.timestamp ? ago(p.timestamp) : null,
        ]), none(c.partition_list, query, "partition", "No partition is here."))))),
  };

  const releases = {
    list: whole,
    load: (args, query) => ["releases", paged(query)],
    render: (list, args, query) => h("section", {},
      h("div", { class: "head" }, h("h1", {}, "Software releases"), h("div", { class: "row" }, searchBox(query, "releases"), h("a", { class: "button", href: "#/supply" }, "Supply a release"))),
      listed(list, query, list.rows.length ? list.rows.map((r) => h("div", { class: "card", "data-key": r.url }, h("h2", {}, h("a", { href: link("release", r.url) }, releaseName(r.url))),
        installationTable(r.computers),
        r.count > r.computers.length && h("p", { class: "soft" }, `The first ${r.computers.length} of ${many(r.count)} computers. `, h("a", { href: link("release", r.url) + search({ q: query.q }) }, "All of them"))))
        : h("p", { class: "card soft" }, none(list, query, "release", "No release is supplied on any computer.")))),
  };

  const installationTable = (rows, nothing) => table(["Computer", "State", "Report", "Since", "Instances", ""], rows.map((i) => [
    i.computer, [h("a", { href: link("computer", i.computer) }, i.computer), failureOf(i)], stateBadge(i.state), healthBadge(i.status, releaseHealth), ago(i.status.since),
    many(i.instances), installationActions(i),
  ]), nothing);

  // release is one release with all computers on which it is supplied.
  const release = {
    nav: "releases",
    list: whole,
    load: ([url], query) => ["release", { release: url, ...paged(query) }],
    render: (list, [url], query) => h("section", {},
      h("p", { class: "crumbs" }, h("a", { href: "#/releases" }, "Releases"), " / ", "One release"),
      h("div", { class: "head" }, h("h1", { class: "mono" }, url), h("div", { class: "row" }, searchBox(query, "computers"))),
      h("div", { class: "card" }, listed(list, query, installationTable(list.rows, none(list, query, "computer", "This release is supplied on no computer."))))),
  };

  const cut = (rows, count) => count > rows.length && h("p", { class: "soft" }, `The first ${rows.length} are shown.`);

  const problems = {
    load: () => ["problems", {}],
    render: (v) => h("section", {}, h("h1", {}, "Problems"),
      !(v.computer_count + v.release_count + v.instance_count) && h("p", { class: "card" }, badge("ok", "Nothing failed"), " No computer is silent, and neither releases nor instances report an error."),
      v.computer_count > 0 && h("div", { class: "card", "data-key": "computers" }, h("h2", {}, `Computers (${many(v.computer_count)})`), cut(v.computers, v.computer_count), table(["Computer", "Report", "Last contact", "Text"], v.computers.map((c) => [
        c.computer, h("a", { href: link("computer", c.computer) }, c.computer), healthBadge(c.status, computerHealth), ago(c.status.reported_at), c.status.text]))),
      v.release_count > 0 && h("div", { class: "card", "data-key": "releases" }, h("h2", {}, `Releases (${many(v.release_count)})`), cut(v.releases, v.release_count), table(["Release", "Computer", "Since", "Error"], v.releases.map((i) => [
        i.computer + " " + i.url, releaseName(i.url), h("a", { href: link("computer", i.computer) }, i.computer), ago(i.status.since), failureOf(i) || i.status.text]))),
      v.instance_count > 0 && h("div", { class: "card", "data-key": "instances" }, h("h2", {}, `Instances (${many(v.instance_count)})`), cut(v.instances, v.instance_count), table(["Instance", "Where", "Since", "Text"], v.instances.map((row) => [
        row.computer + " " + (row.key || row.partition), [h("a", { href: instanceLink(row) }, row.title || "(no title)"), row.root !== row.title && h("div", { class: "soft small" }, "of " + row.root)],
        row.computer + " " + row.partition, ago(row.status.since), row.status.text])))),
  };

  // ---- One instance -------------------------------------------------------

  // treeOf nests the instances of a tree below their requesters.
  function treeOf(rows, here) {
    const id = (r) => r.computer + " " + r.partition;
    const below = new Map();
    const own = new Set(rows.filter((r) => !r.key).map(id));
    for (const row of rows.slice(1)) {
      // What lost its requester is shown below the root.
      const above = row.requester && own.has(id(row.requester)) && (row.key || id(row.requester) !== id(row)) ? id(row.requester) : id(rows[0]);
      if (!below.has(above)) below.set(above, []);
      below.get(above).push(row);
    }
    const seen = new Set();
    const item = (row) => {
      const me = row.key ? "shared " + row.key : id(row);
      if (seen.has(me)) return null;
      seen.add(me);
      const children = row.key ? [] : below.get(id(row)) || [];
      return h("li", { "data-key": me, class: me === here ? "here" : undefined },
        h("div", { class: "row" }, h("a", { href: instanceLink(row), "aria-current": me === here ? "true" : undefined }, row.title || "(no title)"),
          row.key && badge("shared"), h("span", { class: "soft small" }, row.type), stateBadge(row.state), healthBadge(row.status)),
        children.length > 0 && h("ul", {}, children.map(item)));
    };
    const root = item(rows[0]);
    // Requesters in a circle hang on nothing.
    return h("ul", { class: "tree" }, root, rows.filter((r) => !r.key && !seen.has(id(r))).map(item));
  }

  function stateActions(row, about) {
    const set = (state, done) => act("change", { ...about, title: row.key ? undefined : row.title, state }, done);
    const name = row.title || row.partition;
    return [
      row.state !== "started" && h("button", { "data-key": "start", onclick: () => set("started", "To be started") }, "Start"),
      row.state !== "stopped" && h("button", { "data-key": "stop", onclick: () => set("stopped", "To be stopped") }, "Stop"),
      row.state !== "destroyed" && h("button", { "data-key": "destroy", class: "danger", onclick: () => ask({
        title: `Destroy ${name}?`, danger: true, ok: "Destroy",
        text: row.key ? "The instance that serves it no longer does." : (row.is_root ? "Its data is removed by the node, with all the instances that it requested." : "Its data is removed by the node. The instance that requested it asks for it again if it still wants it.") + " This cannot be undone.",
        run: async () => { await post("change", { ...about, title: row.key ? undefined : row.title, state: "destroyed" }); toast("To be destroyed"); },
      }) }, "Destroy"),
    ];
  }

  const instance = {
    nav: "services",
    load: ([computer, partition]) => ["instance", { computer, partition }],
    render: (v, [computer, partition]) => {
      const about = { computer, partition };
      const root = v.tree[0];
      return h("section", {},
        h("p", { class: "crumbs" }, h("a", { href: "#/services" }, "Services"), !v.is_root && [" / ", h("a", { href: instanceLink(root) }, root.title)], " / ", v.title || "(no title)"),
        h("div", { class: "head" }, h("h1", {}, v.title || "(no title)"), h("div", { class: "row" }, stateBadge(v.state), healthBadge(v.status))),
        h("div", { class: "row card", role: "group", "aria-label": "Actions" },
          stateActions(v, about),
          h("a", { class: "button", "data-key": "edit", href: link("edit", computer, partition) }, "Change parameters"),
          v.is_root && h("button", { "data-key": "rename", onclick: () => ask({
            title: "Rename " + v.title, label: "New title", value: v.title, ok: "Rename",
            run: async (title) => { await post("rename", { ...about, title: v.title, new_title: title }); toast("Renamed"); } }) }, "Rename"),
          h("button", { "data-key": "bang", title: "Have the nodes process the whole tree again", onclick: () => ask({
            title: "Process the tree again?", label: "Reason (optional)", ok: "Bang",
            text: "The nodes process all instances of this tree again.",
            run: async (message) => { await post("bang", { ...about, message }); toast("The tree is processed again"); } }) }, "Bang")),
        eventCard("Last error", v.error, v.status.health === "error"),
        h("div", { class: "two" },
          h("div", {},
            h("div", { class: "card", "data-key": "connection" }, h("h2", {}, "Connection parameters"), parameterTable(v.connection, "Nothing was published yet.")),
            h("div", { class: "card", "data-key": "parameters" }, h("h2", {}, "Parameters"), parameterTable(v.parameters.values, "None."))),
          h("div", {},
            h("div", { class: "card", "data-key": "tree" }, h("h2", {}, "Instance tree"), treeOf(v.tree, computer + " " + partition)),
            v.hosted.length > 0 && h("div", { class: "card", "data-key": "hosted" }, h("h2", {}, "Shared instances that it serves"),
              table(["Title", "State", "Report"], v.hosted.map((s) => [s.key, h("a", { href: instanceLink(s) }, s.title), stateBadge(s.state), healthBadge(s.status)]))),
            h("div", { class: "card", "data-key": "facts" }, h("h2", {}, "Details"), facts([
              ["Software release", releaseName(v.release)], ["Software type", v.type],
              ["Where", h("a", { href: link("computer", v.computer) }, v.computer), " ", v.partition, v.hidden && [" ", badge("stopped", "hidden")]],
              ["Addresses", addressList(v.addresses)],
              v.requester && ["Requested by", h("a", { href: instanceLink(v.requester) }, v.requester.partition)],
              Object.keys(v.filter).length > 0 && ["Placement", Object.entries(v.filter).map(([k, t]) => h("div", {}, k + ": " + t))],
              ["Reported state", v.status.reported_state || "none"], ["Last report", ago(v.status.reported_at)], ["Unchanged since", ago(v.status.since)],
              ["Report", v.status.text || "none yet"], ["Last change", ago(v.timestamp)],
            ])))),
        eventCard("Last bang", v.bang));
    },
  };

  const shared = {
    nav: "services",
    load: ([computer, key]) => ["shared", { computer, key }],
    render: (v, [computer, key]) => h("section", {},
      h("p", { class: "crumbs" }, h("a", { href: "#/services" }, "Services"), v.requester && [" / ", h("a", { href: instanceLink(v.requester) }, v.root)], " / ", v.title),
      h("div", { class: "head" }, h("h1", {}, v.title), h("div", { class: "row" }, badge("shared", "shared"), stateBadge(v.state), healthBadge(v.status))),
      h("div", { class: "row card", role: "group", "aria-label": "Actions" }, stateActions(v, { computer, key }),
        h("a", { class: "button", "data-key": "edit", href: link("edit-shared", computer, key) }, "Change parameters")),
      eventCard("Last error", v.error, v.status.health === "error"),
      h("div", { class: "two" },
        h("div", {}, h("div", { class: "card", "data-key": "connection" }, h("h2", {}, "Connection parameters"), parameterTable(v.connection, "Nothing was published yet.")),
          h("div", { class: "card", "data-key": "parameters" }, h("h2", {}, "Parameters"), parameterTable(v.parameters.values, "None."))),
        h("div", { class: "card" }, h("h2", {}, "Details"), facts([
          ["Served by", h("a", { href: instanceLink(v.host) }, v.host.title || v.host.partition), " on ", h("a", { href: link("computer", v.computer) }, v.computer)],
          ["Software release", releaseName(v.release)], ["Software type", v.type || "default"], ["Reference", v.key],
          ["Addresses of the host", addressList(v.addresses)], v.requester && ["Requested by", h("a", { href: instanceLink(v.requester) }, v.requester.partition)],
          ["Last report", ago(v.status.reported_at)],
        ])))),
  };

  // ---- Forms from schemas -------------------------------------------------

  let counter = 0;
  let dirty = false;
  const leaving = () => { dirty = false; };
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });

  // Fields are { node, get(): value or undefined, path }.

  // resolved follows references inside a document and merges allOf. null means
  // that the form cannot show it.
  function resolved(schema, document, depth = 0) {
    if (schema === true || schema === undefined) return {};
    if (typeof schema !== "object" || schema === null || depth > 20) return null;
    if (typeof schema.$ref === "string") {
      if (!schema.$ref.startsWith("#")) return null;
      let target = document;
      for (const step of schema.$ref.slice(1).split("/").slice(1)) {
        target = target && target[decodeURIComponent(step).replace(/~1/g, "/").replace(/~0/g, "~")];
      }
      const found = target === undefined ? null : resolved(target, document, depth + 1);
      return found && { ...found, ...schema, $ref: undefined };
    }
    if (Array.isArray(schema.allOf)) {
      let all = { ...schema, allOf: undefined };
      for (const part of schema.allOf) {
        const found = resolved(part, document, depth + 1);
        if (!found) return null;
        all = { ...found, ...all, properties: found.properties || all.properties ? { ...found.properties, ...all.properties } : undefined,
          required: [...(found.required || []), ...(all.required || [])] };
      }
      return all;
    }
    return schema;
  }

  function typeOf(schema) {
    if (schema.enum || schema.const !== undefined) return "enum";
    if (schema.oneOf || schema.anyOf || schema.not || schema.if) return "raw";
    let type = schema.type;
    if (Array.isArray(type)) { const rest = type.filter((t) => t !== "null"); type = rest.length === 1 ? rest[0] : "raw"; }
    if (!type && schema.properties) type = "object";
    return type || "raw";
  }

  const labelled = (id, name, schema, required) => [
    h("label", { for: id }, schema.title || name, required && h("span", { class: "soft" }, " (required)")),
    schema.title && schema.title !== name && h("div", { class: "help mono" }, name),
    schema.description && h("div", { class: "help", id: id + "-help" }, schema.description),
  ];

  const wrongAt = (path) => h("div", { class: "wrong", "data-path": path });

  function scalar(name, schema, path, required, control, get) {
    const id = "f" + ++counter;
    control.id = id;
    if (schema.description) control.setAttribute("aria-describedby", id + "-help");
    if (required) control.setAttribute("aria-required", "true");
    return { path, control, get, node: h("div", { class: "field" }, labelled(id, name, schema, required), control, wrongAt(path)) };
  }

  const example = (schema) => (schema.default === undefined ? undefined : "Default: " + (typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default)));

  class Unreadable extends Error { constructor(path, message) { super(message); this.path = path; } }

  function field(name, given, value, path, required, document, depth) {
    const schema = resolved(given, document);
    if (!schema || depth > 8) return rawField(name, {}, value, path, required);
    switch (typeOf(schema)) {
      case "enum": return choice(name, schema, schema.enum || [schema.const], value, path, required);
      case "boolean": return choice(name, schema, [true, false], value, path, required);
      case "string": return textField(name, schema, value, path, required);
      case "integer": case "number": return numberField(name, schema, value, path, required);
      case "array": return arrayField(name, schema, value, path, required, document, depth);
      case "object": return objectField(name, schema, value, path, required, document, depth);
    }
    return rawField(name, schema, value, path, required);
  }

  function choice(name, schema, options, value, path, required) {
    const label = (o) => (typeof o === "string" ? o : JSON.stringify(o));
    const at = options.findIndex((o) => JSON.stringify(o) === JSON.stringify(value));
    if (value !== undefined && at < 0) return rawField(name, schema, value, path, required);
    const control = h("select", {}, (!required || at < 0) && h("option", { value: "" }, example(schema) || "(not set)"), options.map((o, i) => h("option", { value: String(i) }, label(o))));
    control.value = at < 0 ? "" : String(at);
    return scalar(name, schema, path, required, control, () => (control.value === "" ? undefined : options[Number(control.value)]));
  }

  function textField(name, schema, value, path, required) {
    if (value !== undefined && typeof value !== "string") return rawField(name, schema, value, path, required);
    const long = schema.textarea || schema.contentMediaType || schema.format === "textarea" || (value || "").includes("\n");
    const control = h(long ? "textarea" : "input", { type: long ? undefined : "text", value: value || "", placeholder: example(schema), autocomplete: "off", spellcheck: "false" });
    // A text that was empty stays so; one that is emptied is left out.
    return scalar(name, schema, path, required, control, () => (control.value === "" && value !== "" ? undefined : control.value));
  }

  function numberField(name, schema, value, path, required) {
    if (value !== undefined && typeof value !== "number") return rawField(name, schema, value, path, required);
    const control = h("input", { type: "text", inputmode: "decimal", value: value === undefined ? "" : String(value), placeholder: example(schema), autocomplete: "off" });
    return scalar(name, schema, path, required, control, () => {
      const text = control.value.trim();
      if (text === "") return undefined;
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) throw new Unreadable(path, "This is not a number.");
      return Number(text);
    });
  }

  function rawField(name, schema, value, path, required) {
    const control = h("textarea", { spellcheck: "false", value: value === undefined ? "" : JSON.stringify(value, null, 2), placeholder: example(schema) || "JSON" });
    return scalar(name, { ...schema, description: [schema.description, "Written as JSON; empty is not set."].filter(Boolean).join(" ") }, path, required, control, () => {
      if (control.value.trim() === "") return undefined;
      try { return JSON.parse(control.value); } catch (error) { throw new Unreadable(path, "This is not JSON: " + error.message); }
    });
  }

  function arrayField(name, schema, value, path, required, document, depth) {
    const items = Array.isArray(schema.items) ? null : schema.items === undefined ? {} : schema.items;
    if (items === null || (value !== undefined && !Array.isArray(value))) return rawField(name, schema, value, path, required);
    const list = h("div", {});
    let fields = [];
    const add = (item, focus) => {
      const f = field(`${name} ${fields.length + 1}`, items, item, `${path}[${fields.length}]`, true, document, depth + 1);
      fields.push(f);
      const row = h("div", {}, f.node, h("p", {}, h("button", { type: "button", class: "tiny", "aria-label": `Remove ${name} ${fields.length}`, onclick: () => {
        fields = fields.filter((other) => other !== f);
        row.remove();
        more.focus();
      } }, "Remove")));
      list.append(row);
      if (focus) { const first = row.querySelector("input, select, textarea"); if (first) first.focus(); }
    };
    const more = h("button", { type: "button", class: "tiny", onclick: () => { dirty = true; add(undefined, true); } }, "Add");
    (value || []).forEach((item) => add(item));
    return {
      path, node: h("fieldset", {}, h("legend", {}, schema.title || name), schema.description && h("div", { class: "help" }, schema.description), list, h("p", {}, more), wrongAt(path)),
      get: () => (fields.length === 0 && !required && value === undefined ? undefined : fields.map((f) => { const v = f.get(); return v === undefined ? null : v; })),
    };
  }

  function objectField(name, schema, value, path, required, document, depth) {
    if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value))) return rawField(name, schema, value, path, required);
    const known = schema.properties || {};
    const must = schema.required || [];
    const fields = Object.keys(known).sort((a, b) => must.includes(b) - must.includes(a)).map((key) => [key, field(key, known[key], value && value[key], `${path}.${key}`, must.includes(key), document, depth + 1)]);
    const others = h("div", {});
    const otherSchema = () => {
      const patterns = Object.values(schema.patternProperties || {});
      if (patterns.length) return patterns[0];
      return typeof schema.additionalProperties === "object" ? schema.additionalProperties : {};
    };
    let extra = [];
    const addOther = (key, item, focus) => {
      const f = field(key, otherSchema(), item, `${path}.${key}`, true, document, depth + 1);
      const entry = [key, f];
      extra.push(entry);
      const row = h("div", {}, f.node, h("p", {}, h("button", { type: "button", class: "tiny", "aria-label": "Remove " + key, onclick: () => { extra = extra.filter((e) => e !== entry); row.remove(); } }, "Remove")));
      others.append(row);
      if (focus) { const first = row.querySelector("input, select, textarea"); if (first) first.focus(); }
    };
    for (const key of Object.keys(value || {})) if (!(key in known)) addOther(key, value[key]);
    const open = schema.additionalProperties !== false || schema.patternProperties;
    const id = "f" + ++counter;
    const newName = h("input", { type: "text", id, autocomplete: "off" });
    const adder = open && h("details", {}, h("summary", {}, "Add another property"), h("div", { class: "field" }, h("label", { for: id }, "Name"), newName),
      h("p", {}, h("button", { type: "button", class: "tiny", onclick: () => {
        const key = newName.value;
        if (!key || key in known || extra.some(([k]) => k === key)) { newName.focus(); return; }
        newName.value = "";
        dirty = true;
        addOther(key, undefined, true);
      } }, "Add")));
    const get = () => {
      const out = {};
      for (const [key, f] of [...fields, ...extra]) { const v = f.get(); if (v !== undefined) Object.defineProperty(out, key, { value: v, enumerable: true }); }
      return !required && value === undefined && Object.keys(out).length === 0 ? undefined : out;
    };
    const body = [fields.map(([, f]) => f.node), others, adder, wrongAt(path)];
    if (depth === 0) return { path, get, node: h("div", {}, body) };
    return { path, get, node: h("fieldset", {}, h("legend", {}, schema.title || name), schema.description && h("div", { class: "help" }, schema.description), body) };
  }

  // ---- Editing parameters -------------------------------------------------

  const jsonInXML = "json-in-xml";

  // Numbers that a browser would round must not pass through it.
  const isExact = (text) => !/\d{16}/.test(text);

  // valueOf reads parameters into what the schema describes; undefined if it
  // cannot be done without loss.
  function valueOf(values, entry, schema) {
    const names = Object.keys(values);
    if (entry.serialisation === jsonInXML) {
      if (names.some((n) => n !== "_")) return undefined;
      if (!names.length || !values._) return {};
      if (!isExact(values._)) return undefined;
      try { return JSON.parse(values._); } catch { return undefined; }
    }
    const out = {};
    for (const name of names) {
      const property = resolved((schema.properties || {})[name], schema) || {};
      let value = values[name];
      if (typeOf(property) !== "string" && !(property.enum && property.enum.includes(value))) {
        try { if (isExact(value) && (property.type || property.enum)) value = JSON.parse(value); } catch { /* stays text */ }
      }
      Object.defineProperty(out, name, { value, enumerable: true });
    }
    return out;
  }

  // valuesOf writes it as parameters.
  function valuesOf(value, entry) {
    if (entry.serialisation === jsonInXML) return { _: JSON.stringify(value, null, 4) };
    const out = {};
    for (const [name, v] of Object.entries(value || {})) out[name] = typeof v === "string" ? v : JSON.stringify(v);
    return out;
  }

  // editor edits parameters as a form, as JSON, or as names and values.
  function editor() {
    const box = h("div", {});
    const failure = h("div", { class: "failure", role: "alert" });
    const note = h("p", { class: "help" });
    const modes = h("select", { id: "mode" });
    let values = {}; let entry = null; let schema = null; let release = ""; let mode; let input;
    const tell = (error) => { failure.textContent = error.message; };

    const pairs = () => {
      let rows = [];
      const list = h("div", {});
      const add = (name, value, focus) => {
        const n = h("input", { type: "text", "aria-label": "Name of a parameter", placeholder: "Name", value: name, autocomplete: "off" });
        const v = h("textarea", { "aria-label": "Value of " + (name || "the parameter"), placeholder: "Value", value, rows: "1", spellcheck: "false" });
        const row = { n, v };
        rows.push(row);
        const node = h("div", { class: "pair" }, n, v, h("button", { type: "button", class: "tiny", "aria-label": "Remove " + (name || "the parameter"), onclick: () => { dirty = true; rows = rows.filter((r) => r !== row); node.remove(); } }, "Remove"));
        list.append(node);
        if (focus) n.focus();
      };
      for (const name of Object.keys(values).sort()) add(name, values[name]);
      return { node: h("div", {}, list, h("p", {}, h("button", { type: "button", onclick: () => add("", "", true) }, "Add a parameter"))), get: () => {
        const out = {};
        for (const { n, v } of rows) {
          if (n.value === "" && v.value === "") continue;
          if (n.value === "") { n.focus(); throw new Error("A parameter has no name."); }
          if (Object.hasOwn(out, n.value)) { n.focus(); throw new Error(`There are two parameters ${n.value}.`); }
          Object.defineProperty(out, n.value, { value: v.value, enumerable: true });
        }
        return out;
      } };
    };

    const folded = () => { const names = Object.keys(values); return names.length ? names.length === 1 && names[0] === "_" : Boolean(entry && entry.serialisation === jsonInXML); };

    const json = () => {
      const inside = folded();
      const area = h("textarea", { id: "json", rows: "14", spellcheck: "false", "aria-label": "Parameters as JSON", value: inside ? values._ || "{}" : JSON.stringify(values, null, 2) });
      return { node: h("div", { class: "field" }, h("p", { class: "help" }, inside ? "The content of the parameter “_”." : "An object whose values are texts."), area), get: () => {
        let value;
        try { value = JSON.parse(area.value || "{}"); } catch (error) { area.focus(); throw new Error("This is not JSON: " + error.message); }
        if (inside) return { _: area.value };
        if (typeof value !== "object" || value === null || Array.isArray(value) || Object.values(value).some((v) => typeof v !== "string")) throw new Error("Parameters are one JSON object whose values are texts.");
        return value;
      } };
    };

    const form = () => {
      const value = valueOf(values, entry, schema);
      if (value === undefined) throw new Error("The present parameters do not fit into the form that the release declares.");
      const root = field("", { type: "object", ...schema }, value, "$", true, schema, 0);
      return { node: root.node, form: true, value: root.get, get: () => valuesOf(root.get(), entry) };
    };

    const builders = { form, json, pairs };
    const names = { form: "Form of the release", json: "JSON", pairs: "Names and values" };

    function open(wanted) {
      failure.textContent = "";
      try { input = builders[wanted](); mode = wanted; } catch (error) {
        note.textContent = error.message;
        mode = folded() ? "json" : "pairs";
        input = builders[mode]();
      }
      modes.replaceChildren(...Object.keys(builders).filter((m) => m !== "form" || schema).map((m) => h("option", { value: m }, names[m])));
      modes.value = mode;
      box.replaceChildren(input.node);
    }

    modes["$change"] = () => {
      try { values = read(); } catch (error) { tell(error); modes.value = mode; return; }
      open(modes.value);
    };

    function mark(findings) {
      for (const el of box.querySelectorAll("[data-path]")) el.textContent = "";
      for (const el of box.querySelectorAll("[aria-invalid]")) el.removeAttribute("aria-invalid");
      const rest = [];
      let first = null;
      for (const { path, message } of findings) {
        const missing = /^'(.*)' is a required property$/.exec(message);
        const at = missing ? `${path}.${missing[1]}` : path;
        const el = [...box.querySelectorAll("[data-path]")].find((e) => e.getAttribute("data-path") === at);
        if (!el) { rest.push(`${path}: ${message}`); continue; }
        el.textContent = missing ? "This is required." : message;
        const control = el.parentElement.querySelector("input, select, textarea");
        if (control) { control.setAttribute("aria-invalid", "true"); first = first || control; }
      }
      failure.textContent = rest.join("; ");
      if (first) first.focus();
    }

    function read() {
      failure.textContent = "";
      if (input.form) for (const el of box.querySelectorAll("[data-path]")) el.textContent = "";
      try { return input.get(); } catch (error) {
        if (error instanceof Unreadable) { mark([{ path: error.path, message: error.message }]); throw new Error("A parameter cannot be read: look at what is marked."); }
        throw error;
      }
    }

    return {
      node: h("div", { class: "card" }, h("div", { class: "head" }, h("h2", {}, "Parameters"), h("div", { class: "row" }, h("label", { for: "mode" }, "Edit as"), modes)), note, failure, box),
      // set shows parameters; what reads a declaration passes what it found.
      set(next) {
        if (next.values) values = next.values;
        ({ entry = entry, schema = schema, release = release } = next);
        note.textContent = next.note || "";
        open(schema ? "form" : folded() ? "json" : "pairs");
      },
      keep() { try { values = read(); } catch { /* what is unreadable is not kept */ } return values; },
      // checked returns the parameters once they are as the release declares, or
      // throws after telling what is wrong.
      async checked() {
        let out;
        try { out = read(); } catch (error) { if (!failure.textContent) tell(error); throw error; }
        if (!input.form) return out;
        let findings;
        try { ({ findings } = await post("validate", { release, entry: entry.id, parameters: input.value() })); } catch (error) {
          note.textContent = "The parameters were not checked: " + error.message;
          return out;
        }
        if (findings.length) { mark(findings); throw new Error("The parameters are not as the release declares them: look at what is marked."); }
        return out;
      },
    };
  }

  // declared reads what a release declares; null with a reason if nothing.
  async function declared(release) {
    try { return await view("schema", { release }); } catch (error) { return { entries: [], why: error.message }; }
  }

  async function requestSchema(release, entry) {
    try { return { entry, schema: (await view("schema", { release, entry: entry.id })).request }; } catch (error) { return { entry, schema: null, note: error.message }; }
  }

  const entryFor = (entries, type, isShared) => entries.find((e) => e.type === type && e.shared === isShared) || entries.find((e) => e.type === type)
    || entries.find((e) => ["default", "RootSoftwareInstance", ""].includes(type) && ["default", "RootSoftwareInstance"].includes(e.type) && e.shared === isShared);

  function submitForm(rows, label, back, submit) {
    const failure = h("div", { class: "failure", role: "alert" });
    const button = h("button", { type: "submit", class: "primary" }, label);
    const edited = (event) => {
      dirty = true;
      event.target.removeAttribute("aria-invalid");
      const wrong = event.target.parentElement.querySelector(":scope > .wrong");
      if (wrong) wrong.textContent = "";
    };
    return h("form", { oninput: edited, onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      failure.textContent = "";
      try { await submit(); } catch (error) { failure.textContent = error.message; }
      button.disabled = false;
    } }, rows, failure, h("div", { class: "row" }, button, h("a", { class: "button", href: back }, "Cancel")));
  }

  const editRoute = (isShared) => ({
    nav: "services",
    form: async ([computer, id]) => {
      const about = isShared ? { computer, key: id } : { computer, partition: id };
      const v = await view(isShared ? "shared" : "instance", about);
      const back = instanceLink(v);
      const edit = editor();
      const type = h("input", { type: "text", id: "type", value: v.type, autocomplete: "off" });
      const release = h("input", { type: "text", id: "release", value: v.release, autocomplete: "off" });
      edit.set({ values: v.parameters.values, release: v.release, note: "" });
      declared(v.release).then(async (d) => {
        const entry = entryFor(d.entries, v.type, isShared);
        if (!entry) { if (d.why) edit.set({ values: edit.keep(), note: "No form: " + d.why }); return; }
        if (!dirty) edit.set({ ...(await requestSchema(v.release, entry)), release: v.release });
      });
      const rows = [edit.node, h("details", { class: "card" }, h("summary", {}, "Software"),
        !isShared && h("div", { class: "field" }, h("label", { for: "release" }, "Software release"), release, h("div", { class: "help" }, "Another release is an upgrade: it must be supplied on the same computer.")),
        h("div", { class: "field" }, h("label", { for: "type" }, "Software type"), type))];
      return h("section", {}, h("p", { class: "crumbs" }, h("a", { href: "#/services" }, "Services"), " / ", h("a", { href: back }, v.title || "(no title)"), " / Change parameters"),
        h("h1", {}, "Change " + (v.title || "the instance")),
        submitForm(rows, "Save", back, async () => {
          const parameters = await edit.checked();
          await post("change", { ...about, title: isShared ? undefined : v.title, parameters, version: v.parameters.version, type: type.value, release: isShared ? undefined : release.value });
          dirty = false;
          toast("Saved");
          location.hash = back;
        }));
    },
  });

  async function everyRow(path) {
    const rows = [];
    let after;
    do {
      const list = await view(path, { limit: 500, after });
      rows.push(...list.rows);
      after = list.next;
    } while (after && rows.length < 2000);
    return rows;
  }

  const request = {
    form: async (args, query) => {
      const [master, allReleases, allComputers] = await Promise.all([view("master"), everyRow("releases"), everyRow("computers")]);
      const offered = allReleases.filter((r) => r.count > r.computers.length || r.computers.some((i) => i.state === "available"));
      const other = "(another)";
      const edit = editor();
      const title = h("input", { type: "text", id: "title", autocomplete: "off", "aria-required": "true" });
      const release = h("select", { id: "release" }, offered.map((r) => h("option", { value: r.url }, r.url)), h("option", { value: other }, "Another URL…"));
      const otherURL = h("input", { type: "text", id: "other", autocomplete: "off" });
      const otherRow = h("div", { class: "field" }, h("label", { for: "other" }, "URL of the software release"), otherURL);
      const type = h("select", { id: "type" });
      const typeText = h("input", { type: "text", id: "type-text", value: query.type || "", placeholder: "default", autocomplete: "off" });
      const sharedBox = h("input", { type: "checkbox", id: "shared" });
      const typeRow = h("div", { class: "field" }); const freeRow = h("div", {});
      const computerSelect = h("select", { id: "computer" });
      const state = h("select", { id: "state" }, h("option", { value: "started" }, "started"), h("option", { value: "stopped" }, "stopped"));
      let entries = [];
      let where = new Map(); // the installations of the release, by computer
      const url = () => (release.value === other ? otherURL.value.trim() : release.value);
      const chosen = () => entries.find((e) => e.id === type.value);

      function fillComputers() {
        const before = computerSelect.value || query.computer || "";
        const text = (c) => { const i = where.get(c.computer); return `${c.computer} – ${c.free} free` + (i && i.state === "available" ? (i.status.health === "ok" ? ", installed" : ", supplied") : ", not supplied"); };
        const usable = (c) => { const i = where.get(c.computer); return Number(Boolean(i && i.state === "available")); };
        computerSelect.replaceChildren(h("option", { value: "" }, `Default (${master.computer})`), ...[...allComputers].sort((a, b) => usable(b) - usable(a)).map((c) => h("option", { value: c.computer }, text(c))));
        computerSelect.value = [...computerSelect.options].some((o) => o.value === before) ? before : "";
        // The default is no use where the release is not supplied.
        if (!before && !(where.get(master.computer) && where.get(master.computer).state === "available")) {
          const first = allComputers.find((c) => usable(c));
          if (first) computerSelect.value = first.computer;
        }
      }

      let asked = 0;
      async function releaseChanged() {
        const mine = ++asked;
        otherRow.hidden = release.value !== other;
        const supplied = url() ? await view("release", { release: url(), limit: 500 }).catch((error) => { toast(error.message); return { rows: [] }; }) : { rows: [] };
        if (mine !== asked) return;
        where = new Map(supplied.rows.map((i) => [i.computer, i]));
        fillComputers();
        setQuery({ ...place().query, release: release.value === other ? undefined : release.value });
        entries = [];
        typeRow.replaceChildren(); freeRow.hidden = false;
        edit.set({ values: edit.keep(), entry: null, schema: null });
        if (!url() || release.value === other) return;
        const d = await declared(url());
        if (mine !== asked) return;
        if (!d.entries.length) { edit.set({ values: edit.keep(), entry: null, schema: null, note: d.why ? "No form: " + d.why : "" }); return; }
        entries = d.entries;
        freeRow.hidden = true;
        type.replaceChildren(...entries.map((e) => h("option", { value: e.id }, (e.title || e.id) + (e.shared ? " (shared)" : ""))));
        const wanted = entries.find((e) => e.id === query.type);
        if (wanted) type.value = wanted.id;
        typeRow.replaceChildren(h("label", { for: "type" }, "Kind"), type, d.description ? h("div", { class: "help" }, d.description) : "", h("div", { class: "help", id: "kind-help" }));
        await typeChanged();
      }

      async function typeChanged() {
        const mine = ++asked;
        const entry = chosen();
        $("kind-help") && ($("kind-help").textContent = entry.description || "");
        setQuery({ ...place().query, type: entry.id });
        const found = await requestSchema(url(), entry);
        if (mine === asked) edit.set({ values: edit.keep(), release: url(), ...found });
      }

      release["$change"] = releaseChanged;
      otherURL["$change"] = releaseChanged;
      type["$change"] = typeChanged;
      if (offered.some((r) => r.url === query.release)) release.value = query.release;
      else if (query.release) { release.value = other; otherURL.value = query.release; }
      freeRow.append(h("div", { class: "field" }, h("label", { for: "type-text" }, "Software type"), typeText),
        h("div", { class: "field row" }, sharedBox, h("label", { for: "shared" }, "Shared: served by an instance that is there already")));
      const rows = [h("div", { class: "card" },
        h("div", { class: "field" }, h("label", { for: "release" }, "Software release"), release, !offered.length && h("div", { class: "help" }, "No release is supplied yet: ", h("a", { href: "#/supply" }, "supply one"), " first.")),
        otherRow, h("div", { class: "field" }, h("label", { for: "title" }, "Title"), title, h("div", { class: "help" }, "The name of the new instance, not used by another one.")),
        typeRow, freeRow,
        h("div", { class: "field" }, h("label", { for: "computer" }, "Computer"), computerSelect),
        h("div", { class: "field" }, h("label", { for: "state" }, "State"), state)), edit.node];
      const form = submitForm(rows, "Request", "#/services", async () => {
        if (!title.value.trim()) { title.setAttribute("aria-invalid", "true"); title.focus(); throw new Error("A title is needed."); }
        title.removeAttribute("aria-invalid");
        const parameters = await edit.checked();
        const entry = chosen();
        const got = await post("request", {
          title: title.value.trim(), release: url(), type: entry ? entry.type : typeText.value.trim(), shared: entry ? entry.shared : sharedBox.checked,
          computer: computerSelect.value, state: state.value, parameters,
        });
        dirty = false;
        toast("Requested");
        location.hash = got.computer ? instanceLink(got) : "#/services";
      });
      edit.set({ values: {} });
      const node = h("section", {}, h("h1", {}, "Request an instance"), form);
      queueMicrotask(releaseChanged);
      return node;
    },
  };

  const supply = {
    nav: "releases",
    form: async (args, query) => {
      const all = await everyRow("computers");
      const url = h("input", { type: "text", id: "url", value: query.release || "", autocomplete: "off" });
      const where = h("select", { id: "where" }, all.map((c) => h("option", { value: c.computer }, c.computer)));
      if (query.computer) where.value = query.computer;
      return h("section", {}, h("p", { class: "crumbs" }, h("a", { href: "#/releases" }, "Releases"), " / Supply"), h("h1", {}, "Supply a release"),
        submitForm(h("div", { class: "card" }, h("div", { class: "field" }, h("label", { for: "url" }, "URL of the software release"), url), h("div", { class: "field" }, h("label", { for: "where" }, "Computer"), where)),
          "Supply", "#/releases", async () => {
            if (!url.value.trim()) { url.focus(); throw new Error("The URL of a release is needed."); }
            await post("supply", { computer: where.value, release: url.value.trim(), state: "available" });
            dirty = false;
            toast("Supplied");
            location.hash = link("computer", where.value);
          }));
    },
  };

  const routes = Object.assign(Object.create(null), {
    services, instance, shared, computers, computer, releases, release, problems, request, supply,
    edit: editRoute(false), "edit-shared": editRoute(true),
  });

  // ---- Start --------------------------------------------------------------

  $("main").parentElement.querySelector("[data-skip]").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
  addEventListener("hashchange", navigate);
  view("master").then((m) => { $("place").textContent = "SlapOS master " + location.host; $("place").title = "Default computer: " + m.computer; }).catch(() => { /* the view tells it */ });
  navigate();
})();
