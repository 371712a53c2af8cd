// Draw each tutorial figure from the JSON beside it when it is scrolled to, in the page's colors.
(() => {
  "use strict";
  const boxes = [...document.querySelectorAll(".marr-fig")];
  if (!boxes.length) return;
  const stored = (id) => JSON.parse(document.getElementById(id).textContent);
  const twins = stored("marr-theme");
  const plotly = new URL("plotly.min.js", document.currentScript.src);
  const drawn = new Set();
  let loading = null;
  function load() {
    loading ??= new Promise((done, failed) => {
      const script = Object.assign(document.createElement("script"), { src: plotly, onload: done, onerror: failed });
      document.head.append(script);
    });
    return loading;
  }

  const isDark = () => document.body.dataset.mdColorScheme === "slate";
  function recolored(value) {
    if (typeof value === "string") return twins[value] ?? value;
    if (Array.isArray(value)) return value.map(recolored);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, recolored(v)]));
    return value;
  }

  function draw(box) {
    const figure = stored(box.dataset.src);
    const width = box.clientWidth;
    let { data } = figure;
    let layout = width < 520 ? figure.narrow : figure.layout;
    if (isDark()) [data, layout] = [recolored(data), recolored(layout)];
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.width = width;
    if (layout.yaxis?.scaleanchor && !layout.xaxis2) layout.height = Math.min(layout.height, width + 80);
    box.style.height = `${layout.height}px`;
    drawn.add(box);
    return window.Plotly.react(box, data, layout, { displaylogo: false, displayModeBar: false });
  }

  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      load().then(() => draw(target));
    }
  }, { rootMargin: "400px" });
  boxes.forEach((box) => watch.observe(box));

  let waiting = 0;
  const redraw = () => { clearTimeout(waiting); waiting = setTimeout(() => drawn.forEach(draw), 120); };
  addEventListener("resize", redraw);
  new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  addEventListener("beforeprint", () => { if (window.Plotly) boxes.forEach(draw); });
})();
