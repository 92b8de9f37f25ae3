/**
 * Generates load: when an onboarding ends, the next one starts. Only those that complete in the window count.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from 'undici';
import { CALLS, walk, type CallName } from './walk.js';

export interface Load {
  url: string;
  token: string;
  atOnce: number;
  warmMs: number;
  /** The window lasts longer if fewer than 2 × `atOnce` onboardings have completed. */
  windowMs: number;
  /** How many onboardings start in a second; undefined: as many as possible. */
  perSecond?: number;
}

export interface Loaded {
  onboardings: number;
  seconds: number;
  /** Milliseconds of the calls that were answered in the window, sorted. */
  latencies: Record<CallName, number[]>;
}

export type Said = 'begin' | 'end' | { loaded: Loaded } | { failed: string };
const say = (said: Said) => process.send!(said);

async function run({ url, token, atOnce, warmMs, windowMs, perSecond }: Load): Promise<Loaded> {
  const pool = new Pool(url, { connections: atOnce, pipelining: 1, headersTimeout: 60_000 });
  const latencies = Object.fromEntries(CALLS.map((name) => [name, [] as number[]])) as Loaded['latencies'];
  let phase: 'warm' | 'window' | 'over' = 'warm';
  let onboardings = 0;
  let failure: Error | undefined;

  const startedAt = performance.now();
  let begun = 0;
  const lane = async () => {
    while (phase !== 'over' && !failure) {
      if (perSecond) await wait(Math.max(0, startedAt + (begun++ * 1_000) / perSecond - performance.now()));
      await walk(pool, token, (name, ms) => void (phase === 'window' && latencies[name].push(ms)));
      if (phase === 'window') onboardings += 1;
    }
  };
  const lanes = Promise.all(Array.from({ length: atOnce }, lane)).catch((error: Error) => (failure = error));
  await Promise.race([wait(warmMs), lanes]);
  phase = 'window';
  say('begin');
  const beganAt = performance.now();
  for (const ends = beganAt + windowMs; !failure && (performance.now() < ends || onboardings < 2 * atOnce);) {
    await Promise.race([wait(10), lanes]);
  }
  phase = 'over';
  const seconds = (performance.now() - beganAt) / 1_000;
  say('end');
  await lanes;
  await pool.close();
  if (failure) throw failure;
  for (const list of Object.values(latencies)) list.sort((a, b) => a - b);
  return { onboardings, seconds, latencies };
}

process.on('message', (load: Load) => {
  run(load).then(
    (loaded) => say({ loaded }),
    (error: Error) => say({ failed: error.message }),
  );
});
process.once('disconnect', () => process.exit());
