// Draw each tutorial figure from the JSON beside it, in the page's own colors.
document.querySelectorAll(".marr-fig").forEach((box) => {
  const figure = JSON.parse(document.getElementById(box.dataset.src).textContent);
  const paint = () => {
    const style = getComputedStyle(document.body);
    const ink = style.getPropertyValue("--md-default-fg-color") || "#222";
    return { "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font.color": ink };
  };
  Plotly.newPlot(box, figure.data, figure.layout, { responsive: true, displaylogo: false })
    .then(() => Plotly.relayout(box, paint()));
  new MutationObserver(() => Plotly.relayout(box, paint()))
    .observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
});
