// Quality by day and version, what happened on the same axis, and the excess loss below; drawn by uPlot.
"use strict";
(() => {
  const holder = document.getElementById("quality-chart");
  if (!holder) return;
  const below = document.getElementById("excess-chart");
  const readout = document.getElementById("quality-readout");
  const data = JSON.parse(document.getElementById("quality-data").textContent);
  const { DAY, seconds, colour, faint, axis, time, utc, across, redraw } = charts;
  const LANE = 26; // pixels at the bottom for decisions of the trigger
  const days = data.days.map(seconds);
  const events = data.events.map((event) => ({ ...event, at: seconds(event.day) }));
  const byDay = Map.groupBy ? Map.groupBy(events, (event) => event.day) : grouped(events);

  function grouped(all) {
    const found = new Map();
    for (const event of all) found.set(event.day, [...(found.get(event.day) || []), event]);
    return found;
  }
  function scale(u, low, high) { // with room for the lane
    const [least, most] = uPlot.rangeNum(low ?? 0, high ?? 1, 0.1, true);
    return [least - (most - least) * 0.12, most];
  }

  function mark(u, event) {
    const x = Math.round(u.valToPos(event.at, "x", true));
    const { left, top, width, height } = u.bbox;
    if (x < left || x > left + width) return;
    const ratio = devicePixelRatio;
    const draw = u.ctx;
    const upright = (name, dash) => {
      draw.strokeStyle = draw.fillStyle = colour(name);
      draw.lineWidth = ratio;
      draw.setLineDash(dash.map((part) => part * ratio));
      draw.beginPath();
      draw.moveTo(x, top);
      draw.lineTo(x, top + height);
      draw.stroke();
      draw.setLineDash([]);
    };
    const triangle = (up) => {
      const size = 5 * ratio;
      const y = top + (up ? 0 : size * 1.5);
      draw.beginPath();
      draw.moveTo(x, y);
      draw.lineTo(x - size, y + (up ? 1.5 : -1.5) * size);
      draw.lineTo(x + size, y + (up ? 1.5 : -1.5) * size);
      draw.fill();
    };
    const cross = () => {
      const size = 4 * ratio;
      const y = top + size;
      draw.beginPath();
      for (const slope of [-1, 1]) {
        draw.moveTo(x - size, y - slope * size);
        draw.lineTo(x + size, y + slope * size);
      }
      draw.lineWidth = 1.5 * ratio;
      draw.stroke();
    };
    const diamond = (fill, toLeft) => { // below the triangles, since a promotion may be of the same day
      const size = 5 * ratio;
      const y = top + 26 * ratio;
      draw.lineWidth = 1.5 * ratio;
      draw.beginPath();
      draw.moveTo(x - size, y);
      draw.lineTo(x + (toLeft ? size : 0), y - size);
      draw.lineTo(x + size, toLeft ? y + size : y);
      if (!toLeft) draw.lineTo(x, y + size);
      draw.closePath();
      fill ? draw.fill() : draw.stroke();
    };
    const text = () => {
      draw.font = `${11 * ratio}px system-ui, sans-serif`;
      draw.textAlign = "left";
      draw.fillText(`v${event.version}`, x + 7 * ratio, top + 10 * ratio);
    };
    if (event.mark === "promoted") { upright("fine", [4, 3]); triangle(true); text(); }
    else if (event.mark === "rolled back") { upright("act", [4, 3]); triangle(false); text(); }
    else if (event.mark === "release failed") { upright("act", [1, 4]); cross(); text(); }
    else if (event.mark === "released") upright("line", []);
    else if (event.mark === "probation passed") { upright("fine", [1, 4]); diamond(true, false); }
    else if (event.mark === "predecessor returned") { upright("act", [1, 4]); diamond(true, true); }
    else if (event.mark === "probation ended") { upright("soft", [1, 4]); diamond(false, false); }
    else {
      const requested = event.mark === "training requested";
      draw.strokeStyle = draw.fillStyle = colour(requested ? "busy" : "soft");
      draw.lineWidth = ratio;
      draw.beginPath();
      draw.arc(x, top + height - (requested ? 7 : 18) * ratio, (requested ? 4 : 2.5) * ratio, 0, 2 * Math.PI);
      requested ? draw.fill() : draw.stroke();
    }
  }

  function say(u) {
    const number = u.cursor.idx;
    if (number == null) return;
    const day = data.days[number];
    const said = [day];
    if (data.versions[number] != null) {
      const value = data.lines.map((line) => line[number]).filter((one) => one != null);
      said.push(`version ${data.versions[number]}: ${data.metric} ${value.join(" and ")}, ${data.rows[number].toLocaleString("en")} rows`);
    } else if (data.estimates[number] != null) said.push(`${data.metric} estimated at ${data.estimates[number]}, labels not known`);
    else said.push("not measured");
    if (data.excess.value[number] != null) said.push(`excess loss ${data.excess.value[number]} (${data.excess.low[number]} to ${data.excess.high[number]})`);
    for (const event of byDay.get(day) || []) said.push(`${event.mark}: ${event.words}`);
    readout.textContent = said.join(" · ");
  }

  const shared = { sync: { key: "days" }, points: { size: 7 }, drag: { x: true, y: false } };
  const lines = data.lines.map((_, number) => ({
    stroke: () => colour(`v${number}`), width: 1.5, points: { show: true, size: 3, fill: () => colour(`v${number}`), space: 8 },
  }));
  const quality = new uPlot({
    width: holder.clientWidth, height: 300, legend: { show: false }, cursor: shared, padding: [12, 20, 0, 0],
    scales: { x: { time: true }, y: { range: scale } },
    tzDate: utc,
    axes: [{ ...time }, { ...axis(), size: 62 }],
    series: [{}, ...lines, { stroke: () => colour("soft"), dash: [4, 4], width: 1.5, points: { show: false } }],
    hooks: {
      drawClear: [(u) => { // decisions have the lane at the bottom to themselves
        const { left, top, width, height } = u.bbox;
        u.ctx.fillStyle = colour("ground");
        u.ctx.fillRect(left, top + height - LANE * devicePixelRatio, width, LANE * devicePixelRatio);
      }],
      draw: [(u) => events.forEach((event) => mark(u, event))],
      setCursor: [say],
    },
  }, [days, ...data.lines, data.estimates], holder);

  const excess = new uPlot({
    width: below.clientWidth, height: 150, legend: { show: false }, cursor: shared, padding: [6, 20, 0, 0],
    scales: { x: { time: true } }, tzDate: utc,
    axes: [{ ...time }, { ...axis(), size: 62 }],
    bands: [{ series: [3, 2], fill: () => faint("v0") }],
    series: [{}, { stroke: () => colour("v0"), width: 1.5, points: { show: false } }, ...[0, 1].map(() => ({ stroke: "transparent", points: { show: false } }))],
    hooks: {
      draw: [(u) => across(u, 0, "soft")], // above this line a version loses more than it expected
    },
  }, [days, data.excess.value, data.excess.low, data.excess.high], below);
  const both = [quality, excess];

  const ranges = document.querySelector("#quality .ranges");
  const buttons = [...ranges.querySelectorAll("button")];
  ranges.hidden = false;
  function show(span) {
    const last = days[days.length - 1];
    const first = span ? Math.max(last - span * DAY, days[0]) : days[0];
    for (const chart of both) chart.setScale("x", { min: first - DAY, max: last + DAY });
    for (const button of buttons) button.setAttribute("aria-pressed", String(Number(button.dataset.days) === span));
  }
  for (const button of buttons) button.addEventListener("click", () => show(Number(button.dataset.days)));
  show(90);

  function move(number) {
    const to = Math.min(Math.max(number, 0), days.length - 1);
    const { min, max } = quality.scales.x;
    if (days[to] < min || days[to] > max) show(0);
    quality.setCursor({ left: quality.valToPos(days[to], "x"), top: 40 });
  }
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -Infinity, End: Infinity };
  holder.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    move((quality.cursor.idx ?? days.length - 1) + steps[event.key]);
  });

  new ResizeObserver(() => {
    quality.setSize({ width: holder.clientWidth, height: 300 });
    excess.setSize({ width: below.clientWidth, height: 150 });
  }).observe(holder);
  redraw(both);
})();
