/** Draws the chart of the funnel. The table below it has the same figures. */

const COLOURS = ['--pico-muted-color', '--chart-1', '--chart-2', '--chart-3'];
const NAMES = ['Started', 'Code sent', 'Verified', 'Registered'];

for (const place of document.querySelectorAll('[data-chart]')) {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue('--pico-color').trim();
  const axis = { stroke: ink, grid: { stroke: style.getPropertyValue('--pico-muted-border-color').trim() } };
  const options = {
    width: place.clientWidth,
    height: 260,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    series: [
      {},
      ...NAMES.map((label, at) => ({
        label,
        stroke: style.getPropertyValue(COLOURS[at]).trim(),
        width: 2,
        points: { show: true },
      })),
    ],
    axes: [axis, axis],
  };
  const chart = new uPlot(options, JSON.parse(place.dataset.chart), place);
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 260 })).observe(place);
}
