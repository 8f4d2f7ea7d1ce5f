// What the charts of a page have in common: colours of the style sheet, axes of days in UTC, lines across.
"use strict";
const charts = (() => {
  const DAY = 86400;
  const seconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
  // Canvas knows no style sheet: colours are read from it at each drawing, light or dark.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faint = (name) => `color-mix(in srgb, ${colour(name)} 22%, transparent)`;
  const axis = () => ({ stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false } });
  // The least step is a day, also where few days leave room for more; uPlot takes 30 days for a month and 365 for a year.
  const steps = [1, 2, 3, 5, 7, 10, 15, 30, 60, 90, 120, 180, 365, 730, 1825].map((days) => days * DAY);
  const time = { ...axis(), incrs: steps, values: (u, ticks) => ticks.map((at) => label(at, ticks)) };
  const utc = (at) => uPlot.tzDate(new Date(at * 1000), "UTC");

  function label(at, ticks) {
    const day = new Date(at * 1000).toISOString();
    return ticks.length > 1 && ticks[1] - ticks[0] >= 27 * DAY ? day.slice(0, 7) : day.slice(5, 10);
  }

  function across(u, value, name, dash = []) { // a line at a value
    const y = Math.round(u.valToPos(value, "y", true));
    const { left, top, width, height } = u.bbox;
    if (y < top || y > top + height) return;
    u.ctx.strokeStyle = colour(name);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
    u.ctx.beginPath();
    u.ctx.moveTo(left, y);
    u.ctx.lineTo(left + width, y);
    u.ctx.stroke();
    u.ctx.setLineDash([]);
  }

  function redraw(all) { // when light turns dark
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all.forEach((chart) => chart.redraw()));
  }

  return { DAY, seconds, colour, faint, axis, time, utc, across, redraw };
})();
