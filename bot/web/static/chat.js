"use strict";

// The chat. The server renders every message; this puts them in their place, keyed by id, sends what the person
// writes until it is acknowledged, and keeps the page pleasant to use.
(() => {
  const $ = (id) => document.getElementById(id);
  const log = $("log"), scroller = $("scroller"), composer = $("composer"), box = $("text"), problem = $("problem");
  let formToken = document.querySelector('meta[name="form-token"]').content;
  const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
  let wake = () => {};

  // Scrolling: stay with the newest message unless the person has scrolled away.

  let follows = true;
  const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  function toEnd() {
    scroller.scrollTop = scroller.scrollHeight;
    follows = true;
    $("jump").hidden = true;
  }
  function look() {
    follows = isAtEnd();
    $("jump").hidden = follows;
  }
  scroller.addEventListener("scroll", look);
  $("jump").addEventListener("click", () => {
    toEnd();
    box.focus();
  });
  const sizes = new ResizeObserver(() => follows && toEnd());
  sizes.observe(scroller);
  sizes.observe(log);

  // Messages

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
  const dayOf = (message) => new Date(message.dataset.at).toDateString();
  const messageOf = (id) => document.getElementById("m-" + id);
  const messages = () => [...log.getElementsByClassName("message")];

  function nameOfDay(day) {
    const now = new Date();
    if (day === now.toDateString()) return "Today";
    now.setDate(now.getDate() - 1);
    return day === now.toDateString() ? "Yesterday" : calendar.format(new Date(day));
  }

  function parse(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return dress(template.content.firstElementChild);
  }

  function dress(message) {
    const time = message.querySelector("time");
    const at = new Date(message.dataset.at);
    time.dateTime = message.dataset.at;
    time.textContent = clock.format(at);
    time.title = at.toLocaleString();
    for (const pre of message.querySelectorAll(".markdown pre")) {
      const frame = document.createElement("div");
      frame.className = "code";
      pre.replaceWith(frame);
      pre.tabIndex = 0;
      pre.setAttribute("role", "region");
      pre.setAttribute("aria-label", "Code");
      frame.append(pre);
      if (navigator.clipboard) frame.append(copyButton(pre));
    }
    return message;
  }

  function copyButton(pre) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl+C";
        getSelection().selectAllChildren(pre);
      }
      await pause(2000);
      button.textContent = "Copy";
    });
    return button;
  }

  function put(id, html, previous) {
    const fresh = parse(html), old = messageOf(id);
    $("typing").hidden = true;
    if (old && old.dataset.version === fresh.dataset.version) return old;
    if (old) {
      const hadFocus = old.contains(document.activeElement);
      const scrolled = [...old.querySelectorAll("pre")].map((pre) => pre.scrollLeft);
      old.replaceWith(fresh);
      fresh.querySelectorAll("pre").forEach((pre, at) => { pre.scrollLeft = scrolled[at] || 0; });
      if (hadFocus) box.focus();
      return fresh;
    }
    const after = previous && messageOf(previous);
    if (after) after.after(fresh);
    else log.insertBefore(fresh, log.querySelector("[data-draft]"));
    return fresh;
  }

  // The focus goes into a form that answers what the person just did here, unless they have gone on to something else.

  let awaitsForm = false;
  const hasKeyboard = !matchMedia("(pointer: coarse)").matches;
  document.addEventListener("focusin", (event) => { if (event.target !== box) awaitsForm = false; });

  function lead(form) {
    const active = document.activeElement;
    if (!awaitsForm || (active !== document.body && active !== box) || box.value || chosen.length) return;
    awaitsForm = false;
    if (hasKeyboard) forms.start(form).focus();
  }

  function rest() {
    if (hasKeyboard) box.focus(); // elsewhere it would open a keyboard on the screen
  }

  function settle() {
    let day = null;
    for (const line of [...log.querySelectorAll(".day")]) line.remove();
    for (const message of messages()) {
      if (dayOf(message) !== day) {
        day = dayOf(message);
        const line = document.createElement("p");
        line.className = "day";
        line.textContent = nameOfDay(day);
        message.before(line);
      }
    }
    $("empty").hidden = log.firstElementChild !== null;
    $("stop").hidden = !log.querySelector('[data-state="growing"], [data-state="waiting"]');
    if (follows) toEnd();
    else $("jump").hidden = false;
  }

  function sync(data) {
    let last = null;
    const ids = new Set(data.messages.map((each) => each.id));
    const first = data.full ? data.messages[0] : null;
    for (const each of data.messages) {
      const message = put(each.id, each.html, last && last.dataset.id);
      let due = last ? last.nextElementSibling : null;
      while (due && due.className === "day") due = due.nextElementSibling;
      if (last && due !== message) last.after(message);
      last = message;
    }
    const since = first ? Date.parse(messageOf(first.id).dataset.at) : -Infinity;
    for (const message of messages()) {
      const drafted = "draft" in message.dataset;
      if (!drafted && !ids.has(message.dataset.id) && Date.parse(message.dataset.at) >= since) message.remove();
      if (drafted) log.append(message);
    }
    settle();
  }

  $("earlier").addEventListener("click", async () => {
    const first = log.querySelector(".message:not([data-draft])");
    const address = "/chat/messages?before=" + encodeURIComponent(first.dataset.id);
    const response = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!response || !response.ok) {
      say("Earlier messages can't be fetched now. Please try again in a moment.");
      return;
    }
    const data = await response.json();
    const height = scroller.scrollHeight - scroller.scrollTop;
    for (const each of data.messages) if (!messageOf(each.id)) first.before(parse(each.html));
    $("earlier").hidden = !data.earlier;
    follows = false;
    settle();
    scroller.scrollTop = scroller.scrollHeight - height;
  });

  // The stream of events: everything anew after each connection, then each change.

  let typing = 0;
  function listen(attempt) {
    const stream = new EventSource("/chat/events");
    const on = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("sync", (data) => {
      attempt = 0;
      connected(true);
      sync(data);
      wake();
    });
    on("show", (data) => {
      const old = messageOf(data.id), had = old && old.querySelector("form.asked");
      const fresh = put(data.id, data.html, data.after), form = fresh.querySelector("form.asked");
      settle();
      const isNewAnswer = !old && fresh.classList.contains("agent");
      if (isNewAnswer) log.dispatchEvent(new Event("answer"));
      if (isNewAnswer && follows && fresh.dataset.state === "final" && fresh.offsetHeight > scroller.clientHeight) {
        fresh.scrollIntoView(); // what comes whole is read from its top
        look();
      }
      if (form && !had) lead(form);
    });
    on("remove", (data) => {
      const message = messageOf(data.id);
      if (message && message.contains(document.activeElement)) box.focus();
      if (message) message.remove();
      settle();
    });
    on("typing", () => {
      if (log.querySelector('[data-state="growing"]')) return;
      $("typing").hidden = false;
      clearTimeout(typing);
      typing = setTimeout(() => { $("typing").hidden = true; }, 7000);
      if (follows) toEnd();
    });
    on("ended", () => {
      stream.close();
      signedOut();
    });
    stream.addEventListener("error", async () => {
      connected(false);
      if (stream.readyState !== EventSource.CLOSED) return;
      const probe = await fetch("/chat/messages", { headers: { Accept: "application/json" } }).catch(() => null);
      if (probe && probe.status === 401) return signedOut();
      await pause(Math.min(15000, 500 * 2 ** attempt) * (0.75 + Math.random() / 2));
      listen(attempt + 1);
    });
  }

  let offline = 0;
  function connected(yes) {
    clearTimeout(offline);
    if (yes) $("connection").hidden = true;
    else offline = setTimeout(() => notice("The connection is lost. Trying again; what you write is not."), 1500);
  }

  function notice(text) {
    $("connection").textContent = text;
    $("connection").hidden = false;
  }

  // Who signs in does so in another tab: what was written here and not kept yet stays.

  let isOut = false;
  function signedOut() {
    isOut = true;
    clearTimeout(offline);
    notice("You were signed out. ");
    const link = document.createElement("a");
    link.href = "/login";
    link.target = "_blank";
    link.textContent = "Sign in again";
    $("connection").append(link);
  }

  async function comeBack() {
    const page = await fetch("/chat").catch(() => null);
    if (!page || !page.ok || page.redirected) return;
    const found = new DOMParser().parseFromString(await page.text(), "text/html").querySelector('meta[name="form-token"]');
    if (!found || !isOut) return;
    formToken = found.content;
    isOut = false;
    listen(0);
  }
  for (const name of ["focus", "visibilitychange"]) {
    window.addEventListener(name, () => { if (isOut && !document.hidden) comeBack(); });
  }

  // Sending: in order, one at a time, again and again under the same id until the server has it.

  const unsent = [];
  let isSending = false;

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  function send(text, files) {
    const item = { id: newId(), text, files, button: false, message: draft(text, files) };
    item.message.id = "m-" + item.id;
    item.message.dataset.id = item.id;
    item.message.querySelector(".again").addEventListener("click", () => {
      delete item.message.dataset.unsent;
      item.message.querySelector(".again").hidden = true;
      queue(item);
    });
    awaitsForm = text.startsWith("/");
    place(item);
  }

  function place(item) {
    log.append(item.message);
    follows = true;
    settle();
    queue(item);
  }

  function sendForm(form) {
    const message = draft(`${form.dataset.title}: sent`, []);
    const item = { id: newId(), text: "", files: [], button: false, message, form, values: new FormData(form) };
    item.values.set("form", form.dataset.form);
    message.id = "m-" + item.id;
    message.dataset.id = item.id;
    forms.lock(form, true);
    rest();
    awaitsForm = true;
    place(item);
  }

  function draft(text, files) {
    const message = $("draft").content.firstElementChild.cloneNode(true);
    message.dataset.draft = "";
    message.dataset.at = new Date().toISOString();
    message.querySelector(".words").textContent = text;
    message.querySelector(".words").hidden = !text;
    const list = message.querySelector(".files");
    list.hidden = !files.length;
    list.append(...files.map((file) => chip(file.name)));
    return dress(message);
  }

  function chip(name) {
    const item = document.createElement("li");
    const label = document.createElement("span");
    label.className = "chip";
    label.textContent = name;
    item.append(label);
    return item;
  }

  function status(item, text) {
    if (item.message) item.message.querySelector(".status").textContent = text;
  }

  async function queue(item) {
    status(item, "Sending…");
    unsent.push(item);
    if (isSending) return;
    isSending = true;
    while (unsent.length) {
      await deliver(unsent[0]);
      unsent.shift();
    }
    isSending = false;
  }

  async function deliver(item) {
    for (let attempt = 0; ; attempt++) {
      const response = await post(item);
      if (response && response.ok) {
        status(item, "Kept");
        return;
      }
      const again = !response || response.status >= 500 || response.status === 429 || response.status === 408;
      if (!again) {
        await failed(item, response);
        return;
      }
      status(item, response ? "Not kept yet, trying again…" : "No connection, trying again…");
      const asked = Number(response && response.headers.get("Retry-After")) * 1000 || 0;
      const wait = Math.max(asked, Math.min(20000, 400 * 2 ** attempt) * (0.75 + Math.random() / 2));
      await Promise.race([pause(wait), new Promise((resume) => { wake = resume; })]);
    }
  }

  function post(item) {
    const form = item.values || new FormData();
    form.set("id", item.id);
    form.set("text", item.text);
    if (item.button) form.set("button", "1");
    for (const file of item.files) form.append("file", file);
    const headers = { "X-Form-Token": formToken, Accept: "application/json" };
    return fetch("/chat/messages", { method: "POST", body: form, headers }).catch(() => null);
  }

  async function failed(item, response) {
    const answer = await response.json().catch(() => ({}));
    const sentence = answer.error || "That could not be sent. Please reload the page and try again.";
    if (response.status === 401) signedOut();
    if (item.form) {
      item.message.remove();
      settle();
      forms.lock(item.form, false);
      if (item.form.isConnected) forms.complain(item.form, sentence);
    }
    if (!item.message || (item.form && !item.form.isConnected)) say(sentence);
    if (!item.message || item.form) return;
    status(item, sentence);
    item.message.dataset.unsent = "";
    item.message.querySelector(".again").hidden = false;
  }

  function command(text, button) {
    awaitsForm = button;
    return deliver({ id: newId(), text, files: [], button, message: null });
  }

  addEventListener("online", () => wake());
  addEventListener("beforeunload", (event) => {
    if (unsent.length || log.querySelector("[data-unsent]") || [...log.querySelectorAll("form.asked")].some(forms.isEdited)) event.preventDefault();
  });

  // The composer

  let chosen = [];
  const MOST_FILES = 10, FILE_BYTES = 20 * 1024 * 1024, ALL_BYTES = 50 * 1024 * 1024;

  function say(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  function add(files) {
    say("");
    for (const file of files) {
      const all = chosen.reduce((sum, each) => sum + each.size, file.size);
      if (file.size > FILE_BYTES) say(`“${file.name}” is larger than 20 MB, so it was not added.`);
      else if (all > ALL_BYTES) say("All files of one message may have 50 MB together. Please send the rest in another one.");
      else if (chosen.length >= MOST_FILES) say("One message may have up to 10 files. Please send the rest in another one.");
      else chosen.push(file);
    }
    showChosen();
    box.focus();
  }

  function showChosen() {
    $("chosen").replaceChildren(...chosen.map((file) => {
      const item = chip(file.name), remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `Remove ${file.name}`);
      remove.addEventListener("click", () => {
        chosen = chosen.filter((each) => each !== file);
        showChosen();
        box.focus();
      });
      item.firstElementChild.append(remove);
      return item;
    }));
    $("chosen").hidden = !chosen.length;
    readiness();
  }

  function readiness() {
    if (box.value.trim() || chosen.length) delete $("send").dataset.idle;
    else $("send").dataset.idle = "";
    if (!CSS.supports("field-sizing", "content")) {
      box.style.height = "auto";
      box.style.height = `${box.scrollHeight}px`;
    }
  }

  function submit() {
    const text = box.value.trim();
    if (!text && !chosen.length) {
      box.focus();
      return;
    }
    const files = chosen;
    chosen = [];
    box.value = "";
    say("");
    showChosen();
    box.focus();
    if (text === "/stop" && !files.length) command(text, false);
    else send(text, files);
  }

  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  box.addEventListener("input", readiness);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  document.addEventListener("keydown", (event) => {
    const inForm = event.target.closest("form.asked") !== null;
    if (event.key === "Escape" && !event.isComposing && !inForm && !$("stop").hidden) {
      event.preventDefault();
      command("/stop", false);
    }
  });
  $("stop").addEventListener("click", () => {
    command("/stop", false);
    box.focus();
  });
  $("attach").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    add([...$("file").files]);
    $("file").value = "";
  });
  box.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      add([...event.clipboardData.files]);
    }
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
  log.addEventListener("click", async (event) => {
    forms.clicked(event);
    const button = event.target.closest("[data-command]");
    if (!button) return;
    const all = [...button.closest("[role=group]").querySelectorAll("button")];
    for (const each of all) each.disabled = true;
    rest();
    const answered = new Promise((resume) => log.addEventListener("answer", resume, { once: true }));
    await Promise.all([command(button.dataset.command, true), Promise.race([pause(2000), answered])]);
    for (const each of all) each.disabled = false;
  });
  log.addEventListener("submit", (event) => {
    event.preventDefault();
    if (forms.check(event.target)) sendForm(event.target);
  });
  for (const idea of document.querySelectorAll("[data-text]")) {
    idea.addEventListener("click", () => {
      send(idea.dataset.text, []);
      box.focus();
    });
  }

  for (const message of messages()) dress(message);
  settle();
  toEnd();
  readiness();
  listen(0);
})();
