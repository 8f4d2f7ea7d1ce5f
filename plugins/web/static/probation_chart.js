// A probation: how much more the version lost than its predecessor, by day and so far; drawn by uPlot.
"use strict";
(() => {
  const holder = document.getElementById("probation-chart");
  if (!holder) return;
  const { DAY, seconds, colour, faint, axis, time, utc, across, redraw } = charts;
  const readout = document.getElementById("probation-readout");
  const data = JSON.parse(document.getElementById("probation-data").textContent);
  const days = data.days.map(seconds);
  const judged = data.days.map((_, number) => number).filter((number) => data.rows[number] != null);
  const percent = (value) => `${value > 0 ? "+" : ""}${value.toFixed(1)}%`;

  function interval(low, high) {
    if (low == null && high == null) return `too few ${holder.dataset.unit}s for an interval`;
    if (low == null) return `at most ${percent(high)}`;
    return high == null ? `at least ${percent(low)}` : `between ${percent(low)} and ${percent(high)}`;
  }

  function say(u) {
    const number = u.cursor.idx;
    if (number == null) return;
    const rows = data.rows[number];
    const said = rows == null ? ["no labels yet"] : [
      data.difference[number] == null ? "loss unknown" : `${percent(data.difference[number])} loss on ${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}`,
      ...(data.mean[number] == null ? [] : [`${percent(data.mean[number])} so far`, interval(data.low[number], data.high[number])]),
    ];
    readout.textContent = [data.days[number], ...said].join(" · ");
  }

  function scale(u, low, high) { // both limits are in view
    const values = [low ?? 0, high ?? 0, data.margin, data.tolerance];
    return uPlot.rangeNum(Math.min(...values), Math.max(...values), 0.1, true);
  }

  // The band lies between two days: the interval of one that has no neighbour is a bar.
  function bars(u) {
    data.low.forEach((low, number) => {
      const high = data.high[number];
      const alone = [number - 1, number + 1].every((beside) => data.low[beside] == null || data.high[beside] == null);
      if (low == null || high == null || !alone) return;
      const [x, top, bottom] = [u.valToPos(days[number], "x", true), u.valToPos(high, "y", true), u.valToPos(low, "y", true)];
      u.ctx.fillStyle = faint("v0");
      u.ctx.fillRect(x - 6 * devicePixelRatio, top, 12 * devicePixelRatio, bottom - top);
    });
  }

  const hidden = { stroke: "transparent", points: { show: false } };
  const chart = new uPlot({
    width: holder.clientWidth, height: 240, legend: { show: false }, cursor: { points: { size: 7 }, drag: { x: false, y: false } }, padding: [12, 20, 0, 0],
    scales: { x: { time: true, range: () => [days[0] - DAY / 2, days[days.length - 1] + DAY / 2] }, y: { range: scale } },
    tzDate: utc,
    axes: [{ ...time }, { ...axis(), size: 62, values: (u, ticks) => ticks.map((tick) => `${tick}%`) }],
    bands: [{ series: [4, 3], fill: () => faint("v0") }],
    series: [
      {},
      { stroke: () => colour("v1"), paths: () => null, points: { show: true, size: 7, fill: () => colour("v1") } },
      { stroke: () => colour("v0"), width: 2, points: { show: true, size: 4, fill: () => colour("v0") } },
      hidden, hidden,
    ],
    hooks: {
      draw: [(u) => { bars(u); across(u, data.margin, "act", [6, 4]); across(u, data.tolerance, "fine", [2, 3]); }],
      setCursor: [say],
    },
  }, [days, data.difference, data.mean, data.low, data.high], holder);

  function move(place) {
    const number = judged[Math.min(Math.max(place, 0), judged.length - 1)];
    chart.setCursor({ left: chart.valToPos(days[number], "x"), top: 40 });
  }
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  holder.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    const now = judged.indexOf(chart.cursor.idx);
    move((now < 0 ? judged.length - 1 : now) + steps[event.key]);
  });
  new ResizeObserver(() => chart.setSize({ width: holder.clientWidth, height: 240 })).observe(holder);
  redraw([chart]);
})();
