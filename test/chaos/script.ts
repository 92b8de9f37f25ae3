import type { SeededRandom } from '../support/drivers/seeded-random.js';
import { nextFault, type FaultSpec } from '../support/drivers/weather.js';

export type ScriptedEvent =
  | { type: 'kill' | 'term'; kind: 'onboarding' | 'worker'; index: number }
  | { type: 'sleep'; kind: 'onboarding' | 'worker'; index: number; forMs: number }
  | { type: 'kill-server'; server: 'postgres' | 'redis'; forMs: number }
  | { type: 'flush-redis' }
  | { type: 'lose-claim' }
  | { type: 'cut'; link: Link }
  | { type: 'refuse' | 'stall'; link: Link; forMs: number }
  | { type: 'slow'; link: Link; forMs: number; delayMs: number }
  | { type: 'fault'; fault: FaultSpec };

export type Link = 'postgres' | 'redis' | 'upstream';

const LINKS = ['postgres', 'redis', 'upstream'] as const;
const KINDS = ['onboarding', 'worker'] as const;

const WEIGHTS = {
  kill: 12,
  term: 3,
  sleep: 2,
  'kill-server': 1.5,
  'flush-redis': 1.5,
  'lose-claim': 8,
  cut: 5,
  refuse: 1.5,
  stall: 2,
  slow: 2,
  fault: 60,
} as const;

/** Endless events, each with the pause before it. The same seed yields the same events. */
export function* script(random: SeededRandom): Generator<{ afterMs: number; event: ScriptedEvent }> {
  for (;;) yield { afterMs: random.int(40, 500), event: nextEvent(random) };
}

function nextEvent(random: SeededRandom): ScriptedEvent {
  const type = random.weighted(WEIGHTS);
  const kind = random.pick(KINDS);
  const index = random.int(0, 99);
  const link = random.pick(LINKS);
  const forMs = random.int(100, 2_000);
  switch (type) {
    case 'kill':
    case 'term':
      return { type, kind, index };
    case 'sleep':
      return { type, kind, index, forMs: random.int(500, 5_000) };
    case 'kill-server':
      return { type, server: random.chance(0.5) ? 'postgres' : 'redis', forMs };
    case 'flush-redis':
    case 'lose-claim':
      return { type };
    case 'cut':
      return { type, link };
    case 'refuse':
    case 'stall':
      return { type, link, forMs };
    case 'slow':
      return { type, link, forMs, delayMs: random.int(5, 120) };
    case 'fault':
      return { type, fault: nextFault(random) };
  }
}
