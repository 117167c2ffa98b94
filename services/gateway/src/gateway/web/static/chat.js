// The conversation's page: composer, place, files. The journal itself comes as markup.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const chat = $("#chat");
  const text = $("#text");
  const stream = $("#stream");
  const problem = $("#composer-problem");
  const say = (words) => {
    const note = document.createElement("p");
    note.className = "note danger";
    note.textContent = words;
    problem.replaceChildren(note);
  };

  // The composer: Enter sends, composing with an input method does not.
  const grow = () => {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight + 2}px`;
  };
  let sent = "";
  text.addEventListener("input", grow);
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if ($("#send") && text.value.trim()) $("#composer").requestSubmit();
  });
  document.addEventListener("htmx:config:request", (event) => {
    if (event.target.id === "composer") sent = text.value;
  });
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (sourceElement?.id !== "composer" || response.status >= 400) return;
    if (text.value === sent) text.value = "";
    $("#asleep").hidden = true;
    grow();
    stick = true;
    follow();
  });
  // What could not be asked at all; a stream says so itself, and comes back by itself.
  document.addEventListener("htmx:error", (event) => {
    if (event.target === stream) return;
    say(event.target.id === "composer"
      ? "Not sent: the platform does not answer. Your words are still here; try again in a moment."
      : "The platform does not answer. Try again in a moment.");
  });

  // Stay at the end while the reader is there.
  const page = document.scrollingElement;
  const toEnd = $("#to-end");
  let stick = true;
  const follow = () => { if (stick) page.scrollTop = page.scrollHeight; };
  addEventListener("scroll", () => {
    stick = page.scrollHeight - page.scrollTop - innerHeight < 120;
    toEnd.hidden = stick;
  }, { passive: true });
  toEnd.addEventListener("click", () => {
    stick = true;
    follow();
    text.focus();
  });
  follow();

  // What is replaced takes the focus with it; the composer is where one goes on.
  let focused = null;
  document.addEventListener("htmx:before:swap", (event) => {
    if (event.target === stream) focused = document.activeElement;
  });
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.target !== stream) return;
    if (focused && focused !== document.body && !focused.isConnected) text.focus({ preventScroll: true });
    follow();
    lookAtTools();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    if ("approval" in (event.detail.ctx?.sourceElement?.dataset ?? {})) text.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (!panel.hidden && panel.contains(document.activeElement)) showPanel(false);
    else $("[data-stop]")?.click();
  });

  // A stream that is refused for good is not asked for again.
  const gone = { 401: "You are logged out.", 403: "You are logged out.", 404: "This conversation is no longer there." };
  let isGone = false;
  stream.addEventListener("htmx:sse:error", (event) => {
    const words = gone[event.detail.status];
    if (!words) return;
    isGone = true;
    const lost = $("#lost");
    const way = document.createElement("a");
    way.href = event.detail.status === 404 ? "/dashboard" : location.href;
    way.textContent = event.detail.status === 404 ? "Look at the others" : "Log in";
    lost.replaceChildren(words, " ", way);
  });
  stream.addEventListener("htmx:sse:before:connection", (event) => { if (isGone) event.preventDefault(); });

  // The sandbox's sleep is announced beside the journal.
  stream.addEventListener("sandbox", (event) => {
    const { reason } = JSON.parse(event.detail.data);
    const asleep = $("#asleep");
    asleep.textContent = reason === "idle"
      ? "Your sandbox went to sleep. The next message wakes it."
      : "Your sandbox was stopped. The next message wakes it.";
    asleep.hidden = false;
  });

  // Files: a panel beside the conversation, over it on a phone.
  const panel = $("#workspace");
  const view = $("#files-view");
  const open = $("#files-open");
  const isNarrow = matchMedia("(max-width: 64rem)");
  const list = view.dataset.list;
  const cover = () => { chat.inert = !panel.hidden && isNarrow.matches; };
  const showPanel = (isShown, { byHand = true } = {}) => {
    panel.hidden = !isShown;
    document.body.classList.toggle("with-files", isShown);
    open.setAttribute("aria-expanded", String(isShown));
    cover();
    if (!byHand) return;
    sessionStorage.setItem("files", isShown ? "open" : "closed");
    (isShown ? $("#workspace-title") : open).focus();
  };
  isNarrow.addEventListener("change", cover);
  open.addEventListener("click", (event) => {
    event.preventDefault();
    showPanel(panel.hidden);
    if (!panel.hidden) refresh();
  });
  open.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      open.click();
    }
  });
  $("#files-close").addEventListener("click", () => showPanel(false));

  const count = () => {
    const tree = $("#tree");
    if (!tree || !("files" in tree.dataset)) return;
    const files = Number(tree.dataset.files);
    $("#files-count").textContent = files ? ` ${files}` : "";
    const isWanted = files > 0 && sessionStorage.getItem("files") !== "closed";
    if (isWanted && panel.hidden && !isNarrow.matches) showPanel(true, { byHand: false });
  };
  const refresh = async () => {
    const shown = $("#file-name");
    const tree = $("#tree");
    if (shown) await htmx.ajax("GET", shown.dataset.again, { source: view, target: "#file", swap: "outerMorph" });
    else if (tree) await htmx.ajax("GET", tree.dataset.again ?? list, { source: view, target: "#tree", swap: "outerMorph" });
  };
  let waiting = 0;
  const refreshSoon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 400);
  };
  // A tool that may have changed files is over.
  const changed = () => document.querySelectorAll(".tool[data-changes]:not(.running)").length;
  let seen = 0;
  const lookAtTools = () => {
    if (changed() === seen) return;
    seen = changed();
    refreshSoon();
  };
  lookAtTools();
  if (!seen && $(".attachments a")) refreshSoon();

  // Opening a file moves the focus to it, going back to where it was opened.
  let from = "";
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.target === stream) return;
    count();
    if (event.detail.ctx.swap !== "innerHTML" || !view.contains(event.target)) return;
    const file = $("#file");
    if (panel.hidden) showPanel(true);
    if (file) from = file.dataset.from;
    (file ? $("#file-name") : document.getElementById(from) ?? $("#workspace-title")).focus();
  });

  // Uploads: by button, by dropping, by pasting.
  const upload = $("#upload");
  const pick = $("#pick");
  const attach = $("#attach");
  const isUpload = (element) => "upload" in (element?.dataset ?? {});
  const most = 4 * 1024 * 1024;
  const send = (files) => {
    const list = new DataTransfer();
    for (const file of files) list.items.add(file);
    pick.files = list.files;
    if (list.files.length) upload.requestSubmit();
  };
  attach.hidden = false;
  attach.addEventListener("click", () => pick.click());
  pick.addEventListener("change", () => { if (pick.files.length) upload.requestSubmit(); });
  document.addEventListener("submit", (event) => {
    if (!isUpload(event.target)) return;
    const files = [...event.target.elements.file.files];
    const large = files.find((file) => file.size > most);
    const all = files.reduce((sum, file) => sum + file.size, 0);
    if (!large && all <= 2.5 * most) return;
    event.preventDefault();
    event.stopPropagation();
    say(large ? `${large.name} is larger than 4 MB.` : "That is more than 10 MB at once.");
  }, { capture: true });
  document.addEventListener("htmx:before:request", (event) => {
    if (isUpload(event.detail.ctx.sourceElement)) attach.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const form = event.detail.ctx.sourceElement;
    if (!isUpload(form)) return;
    attach.removeAttribute("aria-busy");
    form.elements.file.value = "";
    if (form === upload) text.focus();
  });
  document.addEventListener("click", (event) => {
    if (!("detach" in event.target.dataset)) return;
    event.target.closest("li").remove();
    text.focus();
  });
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    chat.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) chat.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    chat.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    send(event.dataTransfer.files);
  });
  text.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    // Every pasted picture has the same name.
    const stamp = new Date().toISOString().slice(0, 19).replace(/\D/g, "");
    send(files.map((file, index) => new File([file], `pasted-${stamp}-${index}-${file.name}`, { type: file.type })));
  });

  // An open page keeps the sandbox awake.
  setInterval(() => {
    if (!document.hidden) fetch("/api/sandbox/heartbeat", { method: "POST" }).catch(() => {});
  }, 4 * 60 * 1000);
})();
