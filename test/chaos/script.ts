import type { SandboxControl } from '../../apps/sandbox/src/control/sandbox-control.js';
import type { SeededRandom } from '../support/drivers/seeded-random.js';

type FaultSpec = Parameters<SandboxControl['addFault']>[0];

/** What the script does to the run. The n-th event of a seed is always the same. */
export type ScriptedEvent =
  | { type: 'kill' | 'term'; kind: 'onboarding' | 'worker'; index: number }
  | { type: 'sleep'; kind: 'onboarding' | 'worker'; index: number; forMs: number }
  | { type: 'kill-server'; server: 'postgres' | 'redis'; forMs: number }
  | { type: 'flush-redis' }
  | { type: 'cut'; link: Link }
  | { type: 'refuse' | 'stall'; link: Link; forMs: number }
  | { type: 'slow'; link: Link; forMs: number; delayMs: number }
  | { type: 'fault'; fault: FaultSpec };

export type Link = 'postgres' | 'redis' | 'upstream';

const LINKS = ['postgres', 'redis', 'upstream'] as const;
const KINDS = ['onboarding', 'worker'] as const;
const ROUTES = [
  'init-otp',
  'otp-auth',
  'otp-auth',
  'create-authenticators-otp',
  'create-authenticators-otp',
] as const;

/** No request is held back for longer, by the network or by a fault. */
export const LONGEST_DELAY_MS = 2_500;

const WEIGHTS = {
  kill: 12,
  term: 3,
  sleep: 2,
  'kill-server': 1.5,
  'flush-redis': 1.5,
  cut: 5,
  refuse: 1.5,
  stall: 2,
  slow: 2,
  fault: 60,
} as const;

/** The events of a seed, each with the pause that comes before it. Without end. */
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

const FAULTS: Record<string, { weight: number; make(random: SeededRandom): Omit<FaultSpec, 'route'> }> = {
  unavailable: { weight: 6, make: (random) => ({ status: random.pick([500, 502, 503, 504]) }) },
  'unavailable after the effect': {
    weight: 6,
    make: (random) => ({ status: random.pick([500, 502, 503]), afterEffect: true }),
  },
  html: {
    weight: 2,
    make: () => ({ status: 502, body: '<html>Bad Gateway</html>', contentType: 'text/html' }),
  },
  throttled: { weight: 3, make: () => ({ status: 429, retryAfterS: 1 }) },
  'told to wait': { weight: 2, make: () => ({ status: 503, retryAfterS: 1 }) },
  'cut before': { weight: 4, make: () => ({ cut: 'before' }) },
  'cut after': { weight: 6, make: () => ({ cut: 'after' }) },
  'cut in the middle': { weight: 4, make: () => ({ cut: 'mid-response' }) },
  'yes of a wrong shape': { weight: 2, make: () => ({ body: { ok: true }, afterEffect: true }) },
  slow: { weight: 3, make: (random) => ({ delayMs: random.int(100, LONGEST_DELAY_MS) }) },
  'slow after the effect': {
    weight: 3,
    make: (random) => ({ delayMs: random.int(100, LONGEST_DELAY_MS), afterEffect: true }),
  },
  'unknown no': {
    weight: 1,
    make: () => ({ status: 400, body: { error: 'computer says no', status: 400 } }),
  },
  'bad key': { weight: 0.5, make: () => ({ status: 401 }) },
};

/** One of the ways in which an upstream fails, for a few calls. */
export function nextFault(random: SeededRandom): FaultSpec {
  const weights = Object.fromEntries(Object.entries(FAULTS).map(([name, { weight }]) => [name, weight]));
  const fault = FAULTS[random.weighted(weights)]!.make(random);
  return { route: random.pick(ROUTES), times: random.int(1, 4), ...fault };
}
