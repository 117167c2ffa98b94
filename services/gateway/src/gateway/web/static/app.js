// What a page cannot do by markup alone. Everything else works without this file.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);

  // The theme: by system, or one that was chosen.
  const toggle = $("[data-theme-toggle]");
  const themes = ["system", "light", "dark"];
  const showTheme = () => {
    const chosen = document.documentElement.dataset.theme ?? "system";
    $("[aria-hidden]", toggle).textContent = { system: "◐", light: "☀", dark: "☾" }[chosen];
    $(".hidden-label", toggle).textContent = `Theme: ${chosen === "system" ? "by system" : chosen}`;
    toggle.title = $(".hidden-label", toggle).textContent;
  };
  if (toggle) {
    toggle.hidden = false;
    showTheme();
    toggle.addEventListener("click", () => {
      const root = document.documentElement;
      const next = themes[(themes.indexOf(root.dataset.theme ?? "system") + 1) % themes.length];
      if (next === "system") delete root.dataset.theme;
      else root.dataset.theme = next;
      localStorage.setItem("theme", next);
      showTheme();
    });
  }

  // What can be copied says so once it can; a bookmarklet is dragged, not pressed.
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText($(button.dataset.copy).textContent);
      const words = button.firstChild;
      words.textContent = "Copied";
      setTimeout(() => { words.textContent = "Copy"; }, 2000);
    });
  });
  $("[data-bookmarklet]")?.addEventListener("click", (event) => {
    event.preventDefault();
    event.target.nextSibling.textContent = " is for your bookmarks bar: drag it there, and press it on any page of a skill.";
  });

  // One request for one press.
  document.addEventListener("submit", (event) => {
    if ("once" in event.target.dataset) {
      setTimeout(() => { if (event.submitter) event.submitter.disabled = true; });
    }
  });
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-once] button:disabled").forEach((button) => { button.disabled = false; });
  });

  // Searching a list while typing.
  document.addEventListener("input", (event) => {
    const rows = event.target.dataset?.filter;
    if (!rows) return;
    const words = event.target.value.trim().toLowerCase().split(/\s+/);
    let shown = 0;
    document.querySelectorAll(rows).forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    });
    const none = $("#none");
    if (none) none.hidden = shown > 0;
    const found = $("[data-found]");
    if (found) found.textContent = `${shown} found`;
  });

  // Settings: a provider brings its usual model, and asks for what it needs.
  const provider = $("[data-provider]");
  const showProvider = () => {
    const { note, key, ownUrl } = provider.selectedOptions[0].dataset;
    $("[data-provider-note]").textContent = note;
    $("[data-own-url-field]").hidden = ownUrl === undefined;
    $("[data-key-field]").hidden = key === undefined;
    $("[data-key-stored]").textContent = key ? `stored, ends in ${key}; leave empty to keep it` : "none is stored yet";
  };
  if (provider) {
    showProvider();
    provider.addEventListener("change", () => {
      $("#model").value = provider.selectedOptions[0].dataset.model;
      $("#models-said").replaceChildren();
      showProvider();
    });
  }
  document.addEventListener("click", (event) => {
    if (!event.target.matches?.("[data-model-choice]")) return;
    $("#model").value = event.target.textContent;
    $("#model").focus();
  });

  // A question that is answered with no closes again.
  document.querySelectorAll("[data-close]").forEach((button) => { button.hidden = false; });
  document.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    event.target.querySelectorAll("[data-close]").forEach((button) => { button.hidden = false; });
    event.target.querySelector(":scope > form input:not([type=hidden])")?.focus();
  }, true);
  document.addEventListener("click", (event) => {
    const close = event.target.closest?.("[data-close]");
    if (!close) return;
    close.closest("details").open = false;
    close.closest("details").querySelector("summary").focus();
  });

  // Times that run.
  setInterval(() => {
    document.querySelectorAll("[data-since]").forEach((clock) => {
      const passed = (Date.now() - Date.parse(clock.dataset.since)) / 1000;
      clock.textContent = `${Math.max(0, passed).toFixed(1)} s`;
    });
  }, 100);

  // The file viewer: which file is shown, and the line that a finding names.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[hx-target='#viewer']");
    if (!link) return;
    document.querySelectorAll(".tree li[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
    document.querySelectorAll(".tree a").forEach((other) => {
      if (other.dataset.file === link.dataset.file) other.parentElement.setAttribute("aria-current", "true");
    });
    const line = link.hash.match(/^#L\d+$/)?.[0];
    const shown = () => {
      document.removeEventListener("htmx:after:swap", shown);
      if (line) history.replaceState(null, "", line);
      $(line ?? "#viewer")?.scrollIntoView({ block: line ? "center" : "nearest" });
      if (line) $(line)?.classList.add("aimed");
      $("#viewer").focus({ preventScroll: true });
    };
    document.addEventListener("htmx:after:swap", shown);
  });

  // A launch that is over: into the chat, or show the way on.
  const openChat = $("#open-chat");
  const enter = () => {
    // Going back leads to the skill, not here, where one would be sent on again.
    history.replaceState(null, "", $("#cancel-launch input[name=here]").value);
    openChat.requestSubmit();
  };
  document.addEventListener("over", (event) => {
    const { state } = JSON.parse(event.detail.data);
    $("#cancel-launch").hidden = true;
    if (state === "ready") enter();
    else $("#retry-launch").hidden = false;
  });
  if (openChat && "open" in openChat.dataset) enter();

  // Streams that are cut come back by themselves; say so while they are away.
  const lost = $("#lost");
  document.addEventListener("htmx:sse:error", () => { if (lost) lost.hidden = false; });
  document.addEventListener("htmx:sse:after:connection", () => {
    if (lost) lost.hidden = true;
    // A tab that was opened in the background keeps no stream either.
    if (document.hidden) setTimeout(() => document.dispatchEvent(new Event("visibilitychange")));
  });
  const reconnectLater = (event) => {
    const stream = event.target;
    if (!stream.hasAttribute?.("hx-sse:connect")) return;
    if (lost) lost.hidden = false;
    setTimeout(() => { if (!stream._htmx?.sse) htmx.process(stream, true); }, 2000);
  };
  document.addEventListener("htmx:error", reconnectLater);
  document.addEventListener("htmx:response:error", reconnectLater);
})();
