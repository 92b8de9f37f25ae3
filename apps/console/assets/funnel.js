/** The table below the chart has the same figures. */

const COLOURS = ['--pico-muted-color', '--chart-1', '--chart-2', '--chart-3'];
const HEIGHT = 260;
const NAMES = ['Started', 'Code sent', 'Verified', 'Registered'];

/** @param {HTMLElement} place the element to draw in, which has the data as JSON */
function draw(place) {
  // A canvas cannot use CSS variables or light-dark(), so a hidden element computes each colour.
  const probe = place.appendChild(document.createElement('span'));
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const axis = {
    stroke: colour('--pico-muted-color'),
    grid: { stroke: colour('--pico-muted-border-color'), width: 1 },
    ticks: { show: false },
  };
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    series: [
      {},
      ...NAMES.map((label, at) => ({ label, stroke: colour(COLOURS[at]), width: 2, points: { show: true } })),
    ],
    axes: [axis, axis],
  };
  probe.remove();
  return new uPlot(options, JSON.parse(place.dataset.chart), place);
}

for (const place of document.querySelectorAll('[data-chart]')) {
  let chart = draw(place);
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  // A canvas does not follow the stylesheet, so draw the chart again.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    chart.destroy();
    chart = draw(place);
  });
}
