// marr report: unpack, draw what is scrolled to, follow light and dark, print, download. No request is ever made.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const state = (window.marrReport = { drawn: 0, total: 0, ready: false });
  const plots = [...document.querySelectorAll(".plot[data-figure]")];
  state.total = plots.length;

  async function unpack(id) {
    const text = document.getElementById(id).textContent;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  let figures = null, themes = null, loading = null, downloads = null;
  function load() {
    loading ??= (async () => {
      const [code, data] = await Promise.all([unpack("marr-plotly"), unpack("marr-figures")]);
      ({ figures, themes } = JSON.parse(data));
      const script = document.createElement("script");
      script.textContent = code;
      document.head.append(script);
      state.ready = true;
    })();
    return loading;
  }

  // ---- light and dark -------------------------------------------------------------------------
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const printing = { now: false };
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function recolor(value) {
    if (!isDark() || printing.now) return value;
    if (typeof value === "string") return themes[value] ?? value;
    if (Array.isArray(value)) return value.map(recolor);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, recolor(v)]));
    return value;
  }

  function themed(figure, width) {
    const ink = css("--plot-ink"), muted = css("--plot-muted"), grid = css("--plot-grid"), paper = css("--plot-paper");
    const layout = recolor(structuredClone(width < 520 && figure.narrow ? figure.narrow : figure.layout));
    if (layout.yaxis?.scaleanchor) layout.height = Math.min(layout.height, width + 80);
    layout.paper_bgcolor = layout.plot_bgcolor = paper;
    layout.font = { ...layout.font, color: ink, family: css("--sans") };
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis\d*$/.test(key)) continue;
      Object.assign(layout[key], { gridcolor: grid, linecolor: muted, tickcolor: muted, zerolinecolor: grid });
    }
    layout.hoverlabel = { bgcolor: paper, bordercolor: muted, font: { color: ink } };
    layout.legend = { ...layout.legend, font: { color: ink } };
    layout.width = width;
    const data = recolor(structuredClone(figure.data));
    for (const trace of data) if (trace.colorbar) Object.assign(trace.colorbar, { tickfont: { color: ink }, outlinewidth: 0 });
    return { data, layout };
  }

  // ---- drawing --------------------------------------------------------------------------------
  const CONFIG = { displaylogo: false, responsive: false, displayModeBar: "hover", modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
  const drawn = new Set();

  function drawNow(plot) {
    const { data, layout } = themed(figures[plot.dataset.figure], plot.clientWidth || 640);
    const first = !drawn.has(plot);
    drawn.add(plot);
    if (first) plot.textContent = "";
    plot.style.height = `${layout.height}px`;
    return Plotly.react(plot, data, layout, CONFIG).then(() => { state.drawn = drawn.size; });
  }
  async function draw(plot) {
    if (drawn.has(plot)) return;
    await load();
    if (!drawn.has(plot)) await drawNow(plot);
  }
  const redraw = () => drawn.forEach((plot) => drawNow(plot));

  if ("IntersectionObserver" in window) {
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { watch.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "300px" });
    plots.forEach((plot) => watch.observe(plot));
  } else {
    plots.forEach(draw);
  }
  const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 400));
  addEventListener("load", () => { if (plots.length) idle(load, { timeout: 3000 }); });

  let resizing = 0;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { if (!printing.now) redraw(); }, 160); });
  dark.addEventListener("change", () => redraw());

  // ---- paper: every figure, in light colors ---------------------------------------------------------
  addEventListener("beforeprint", () => {
    printing.now = true;
    printing.theme = root.dataset.theme;
    root.dataset.theme = "light";
    if (state.ready) plots.forEach(drawNow);
  });
  addEventListener("afterprint", () => {
    printing.now = false;
    if (printing.theme) root.dataset.theme = printing.theme; else delete root.dataset.theme;
    redraw();
  });

  // ---- buttons ----------------------------------------------------------------------------------
  function offer(name, content, type) {
    const link = document.createElement("a");
    link.href = content.startsWith?.("data:") ? content : URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    if (link.href.startsWith("blob:")) setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  function report() {
    return JSON.parse(document.getElementById("marr-report").textContent);
  }
  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  }
  const actions = {
    async csv(b) { downloads ??= JSON.parse(await unpack("marr-csv")); offer(`${b.dataset.name}.csv`, downloads[b.dataset.name], "text/csv"); },
    json(b) { const box = report()[b.dataset.list]; offer(`${b.dataset.name}.json`, JSON.stringify(box[+b.dataset.index], null, 1), "application/json"); },
    async image(b) {
      const plot = document.querySelector(`.plot[data-figure="${CSS.escape(b.dataset.figure)}"]`);
      await draw(plot);
      const size = { width: plot.clientWidth, height: plot.clientHeight };
      const url = await Plotly.toImage(plot, { format: b.dataset.format, scale: b.dataset.format === "png" ? 3 : 1, ...size });
      offer(`${b.dataset.figure}.${b.dataset.format}`, url);
    },
    copy,
    theme() {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("marr-theme", root.dataset.theme); } catch { /* private window */ }
      redraw();
    },
    async print() { await load(); await Promise.all(plots.map(draw)); window.print(); },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) actions[button.dataset.do](button);
  });
  document.querySelectorAll("[data-needs-script]").forEach((element) => { element.hidden = false; });

  // ---- contents ---------------------------------------------------------------------------------
  const side = document.querySelector(".side details");
  const folded = matchMedia("(max-width: 68rem)");
  const fold = () => { side.open = !folded.matches; };
  fold();
  folded.addEventListener("change", fold);
  side.addEventListener("click", (event) => { if (folded.matches && event.target.closest("a")) side.open = false; });
  const entries = new Map([...side.querySelectorAll("a[href^='#']")].map((a) => [a.hash.slice(1), a]));
  const parts = [...entries.keys()].map((id) => document.getElementById(id)).filter(Boolean);
  let waiting = false, current = null;
  function mark() {
    waiting = false;
    const above = parts.filter((part) => part.getBoundingClientRect().top < innerHeight * 0.3);
    const now = entries.get((above.at(-1) ?? parts[0])?.id);
    if (now === current) return;
    current?.removeAttribute("aria-current");
    now?.setAttribute("aria-current", "true");
    current = now;
  }
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
  mark();

  // A link into a folded part opens it; figures drawn above must not push the target away.
  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    target.scrollIntoView();
    const plot = target.querySelector?.(".plot[data-figure]");
    if (plot) draw(plot);
  }
  addEventListener("hashchange", reveal);
  reveal();
})();
