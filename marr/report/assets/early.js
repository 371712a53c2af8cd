try { const t = localStorage.getItem("marr-theme"); if (t === "light" || t === "dark") document.documentElement.dataset.theme = t; } catch { /* private window */ }
