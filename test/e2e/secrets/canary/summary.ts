import type { Canary } from './canary.js';

export function summaryOf({ finds, sinks, kinds }: ReturnType<Canary['search']>): string {
  const secrets = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1024)} kB`.padStart(9);
  return [
    `canary: ${secrets} secrets of ${kinds.size} kinds × ${sinks.length} sinks: ${finds.length} hits`,
    `  secrets: ${[...kinds].map(([kind, count]) => `${count} × ${kind}`).join(', ')}`,
    ...sinks.map(
      ({ name, bytes, hits }) => `  ${name.padEnd(32)}${kilobytes(bytes)}${String(hits).padStart(6)} hits`,
    ),
    '  webhooks                           none',
    ...finds.map(({ kind, sink, around }) => `  HIT ${kind} in ${sink}: …${around}…`),
    '',
  ].join('\n');
}
