/** A Mermaid chart of at most 60 points. Each point is the largest of neighbouring values. */
export function lineChart(title: string, unit: string, values: readonly number[], each = 1): string {
  const size = Math.ceil(values.length / 60);
  const points: number[] = [];
  for (let n = 0; n < values.length; n += size) {
    const some = values.slice(n, n + size);
    points.push(Number(Math.max(...some).toPrecision(3)));
  }
  return [
    '```mermaid',
    'xychart-beta',
    `  title "${title}"`,
    `  x-axis "${unit}" 0 --> ${values.length * each}`,
    `  y-axis 0 --> ${Math.max(...points)}`,
    `  line [${points.join(', ')}]`,
    '```',
  ].join('\n');
}
