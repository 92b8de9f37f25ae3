import type { SandboxControl } from '../../../apps/sandbox/src/control/sandbox-control.js';
import type { SeededRandom } from './seeded-random.js';

export type FaultSpec = Parameters<SandboxControl['addFault']>[0];

const ROUTES = [
  'init-otp',
  'otp-auth',
  'otp-auth',
  'create-authenticators-otp',
  'create-authenticators-otp',
] as const;

/** The longest delay that the network or a fault causes. */
export const LONGEST_DELAY_MS = 2_500;

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

export function nextFault(random: SeededRandom): FaultSpec {
  const weights = Object.fromEntries(Object.entries(FAULTS).map(([name, { weight }]) => [name, weight]));
  const fault = FAULTS[random.weighted(weights)]!.make(random);
  return { route: random.pick(ROUTES), times: random.int(1, 4), ...fault };
}

interface Calls {
  calls: number;
  parallel: number;
  weather: SeededRandom;
  sandbox: SandboxControl;
  /** If true, the run ends early. */
  isEnough(): boolean;
}

/** Makes calls in parallel, while the upstream sometimes fails. */
export async function callInAnyWeather(
  { calls, parallel, weather, sandbox, isEnough }: Calls,
  makeCall: (left: number) => Promise<void>,
): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left > 0 && !isEnough()) {
      left -= 1;
      if (weather.chance(0.03) && sandbox.pendingFaults().length < 4) sandbox.addFault(nextFault(weather));
      await makeCall(left);
    }
  };
  await Promise.all(Array.from({ length: parallel }, caller));
}
