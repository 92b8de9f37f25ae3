/** What the console's pages do in a browser besides htmx. They can be read without it. */

/** Shows that a button works, and that it need not be pressed again. */
document.addEventListener('submit', ({ target, submitter }) => {
  if (target.method !== 'post') return;
  submitter?.setAttribute('aria-busy', 'true');
  // Later, because the value of a disabled button is not sent.
  setTimeout(() => submitter?.setAttribute('disabled', ''));
});

// A page that comes back from the browser's history must work again.
addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('button[aria-busy]')) {
    button.removeAttribute('aria-busy');
    button.removeAttribute('disabled');
  }
});

// A page that nobody sees does not renew itself.
document.addEventListener('htmx:before:request', (event) => {
  if (document.hidden) event.preventDefault();
});

/** Says that the live part is old, or shows the login if the session has ended. */
function renewed(event) {
  const status = event.detail?.ctx?.response?.raw?.status ?? event.detail?.ctx?.response?.status;
  if (status === 401) location.reload();
  document.getElementById('live')?.classList.toggle('stale', status !== 200);
}
document.addEventListener('htmx:after:request', renewed);
document.addEventListener('htmx:error', renewed);

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
