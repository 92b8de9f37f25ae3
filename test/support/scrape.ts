export interface Scraped {
  kind: string;
  series: { labels: Record<string, string>; value: number }[];
}

/** Reads metrics by name. All series of a histogram (`_bucket`, `_sum`, `_count`) are under its name. */
export async function scrape(url: string): Promise<Map<string, Scraped>> {
  const response = await fetch(`${url}/metrics`);
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  const metrics = new Map<string, Scraped>();
  let current: Scraped | undefined;
  for (const line of (await response.text()).split('\n')) {
    const type = /^# TYPE (\w+) (\w+)$/.exec(line);
    if (type) {
      current = { kind: type[2]!, series: [] };
      metrics.set(type[1]!, current);
    }
    const sample = /^\w+(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!sample || line.startsWith('#')) continue;
    const pairs = (sample[1] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
    const labels = Object.fromEntries([...pairs].map(([, name, value]) => [name!, value!]));
    current!.series.push({ labels, value: Number(sample[2]) });
  }
  return metrics;
}
