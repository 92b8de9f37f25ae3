/**
 * Variants take turns after a warm-up. The best round of each counts, because other load only slows a round.
 */
import { availableParallelism, cpus } from 'node:os';

/**
 * @typedef {object} Variant
 * @property {string} name
 * @property {(count: number) => void | Promise<void>} run runs the variant `count` times
 * @property {number} count how many times it runs in a round
 */

/**
 * @param {Variant[]} variants
 * @param {number} rounds
 * @returns {Promise<{name: string, cpuUs: number, wallUs: number}[]>} microseconds per run: CPU time of the
 *   whole process (all threads, user and system), and elapsed time.
 */
export async function compare(variants, rounds = 5) {
  const best = variants.map(({ name }) => ({ name, cpuUs: Infinity, wallUs: Infinity }));
  for (const { run, count } of variants) await run(Math.ceil(count / 2));
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { run, count }] of variants.entries()) {
      progress(`round ${round} of ${rounds}, ${i + 1} of ${variants.length}`);
      const startedAt = process.hrtime.bigint();
      const cpuBefore = process.cpuUsage();
      await run(count);
      const { user, system } = process.cpuUsage(cpuBefore);
      const wallUs = Number(process.hrtime.bigint() - startedAt) / 1000;
      best[i].cpuUs = Math.min(best[i].cpuUs, (user + system) / count);
      best[i].wallUs = Math.min(best[i].wallUs, wallUs / count);
    }
  }
  progress('');
  return best;
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** As Markdown, ready for docs/decisions. */
export function printTable(headings, rows) {
  const lines = [headings, headings.map((_, i) => (i === 0 ? '---' : '---:')), ...rows];
  for (const cells of lines) console.log(`| ${cells.join(' | ')} |`);
  console.log(
    `\n${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.versions.node}`,
  );
}
