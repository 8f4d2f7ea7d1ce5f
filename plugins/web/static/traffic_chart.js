// Traffic by version: requests and failures, and below them the times to the answer; drawn by uPlot.
"use strict";
(() => {
  const holder = document.getElementById("traffic-chart");
  if (!holder) return;
  const below = document.getElementById("traffic-times");
  const readout = document.getElementById("traffic-readout");
  const legend = document.getElementById("traffic-legend");
  const courses = JSON.parse(document.getElementById("traffic-data").textContent);
  const { DAY, colour, axis, time, utc } = charts;
  const HOUR = 3600;
  const LINES = 6;
  const shown = { all: [], course: null };
  const moment = (at, step) => new Date(at * 1000).toISOString().slice(0, step < DAY ? 16 : 10).replace("T", " ");
  const clock = { ...axis(), incrs: [1, 2, 3, 6].map((hours) => hours * HOUR), values: (u, ticks) => ticks.map((at) => new Date(at * 1000).toISOString().slice(11, 16)) };

  function say(u) {
    const number = u.cursor.idx;
    const { course } = shown;
    if (number == null || !course) return;
    const said = [moment(course.starts[number], course.step)];
    for (const line of course.lines) {
      if (line.requests[number] == null) continue;
      const times = line.p50[number] == null ? "" : `, p50 ${line.p50[number]} ms, p99 ${line.p99[number] ?? "unknown"} ms`;
      said.push(`${line.name}: ${line.requests[number].toLocaleString("en")} requests, ${line.errors[number].toLocaleString("en")} failed${times}`);
    }
    readout.textContent = said.length > 1 ? said.join(" · ") : `${said[0]} · no requests`;
  }

  function draw(name) {
    const course = courses[name];
    shown.all.forEach((chart) => chart.destroy());
    const of = (number) => `v${number % LINES}`;
    const few = { show: true, size: 3 };
    const series = (dashes, paint) => [{}, ...course.lines.flatMap((_, number) => dashes.map((dash, place) => ({
      stroke: () => colour(paint(number, place)), dash, width: 1.5, points: { ...few, fill: () => colour(paint(number, place)) },
    })))];
    const whole = (ticks) => ticks.map((tick) => Number.isInteger(tick) ? tick.toLocaleString("en") : "");
    const options = (height, size, own, hook) => ({
      width: holder.clientWidth, height, legend: { show: false }, padding: [10, 20, 0, 0], tzDate: utc,
      cursor: { sync: { key: "traffic" }, points: { size: 7 }, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
      axes: [course.step < DAY ? { ...clock } : { ...time }, { ...axis(), size, ...own }],
      hooks: hook,
    });
    const counts = course.lines.flatMap((line) => [line.requests, line.errors]);
    const times = course.lines.flatMap((line) => [line.p50, line.p99]);
    const upper = { ...options(220, 62, { values: (u, ticks) => whole(ticks) }, { setCursor: [say] }), series: series([[], [2, 3]], (number, place) => place ? "act" : of(number)) };
    const lower = { ...options(150, 62, {}, {}), series: series([[], [4, 4]], of) };
    shown.course = course;
    shown.all = [new uPlot(upper, [course.starts, ...counts], holder), new uPlot(lower, [course.starts, ...times], below)];
    legend.replaceChildren(...course.lines.map((line, number) => entry(`mark line ${of(number)}`, `requests of ${line.name} (${line.colour})`)), entry("mark line failed", "failed (5xx)"));
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.course === name));
  }

  function entry(marks, words) {
    const item = document.createElement("li");
    const mark = document.createElement("i");
    mark.className = marks;
    item.append(mark, words);
    return item;
  }

  const ranges = document.querySelector(".traffic-ranges");
  const buttons = [...ranges.querySelectorAll("button")];
  ranges.hidden = false;
  for (const button of buttons) {
    button.disabled = !courses[button.dataset.course];
    button.addEventListener("click", () => draw(button.dataset.course));
  }
  draw(courses.day ? "day" : "days");

  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  holder.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    const last = shown.course.starts.length - 1;
    const to = Math.min(Math.max((shown.all[0].cursor.idx ?? last) + steps[event.key], 0), last);
    shown.all[0].setCursor({ left: shown.all[0].valToPos(shown.course.starts[to], "x"), top: 40 });
  });
  new ResizeObserver(() => {
    shown.all[0].setSize({ width: holder.clientWidth, height: 220 });
    shown.all[1].setSize({ width: below.clientWidth, height: 150 });
  }).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown.all.forEach((chart) => chart.redraw()));
})();
