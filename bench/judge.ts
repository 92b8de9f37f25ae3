/**
 * Judges the counts in every run of `npm run bench:check`, but the ratios only on a quiet machine. A noisy
 * run passes with a warning, except the third one in a row on main.
 */

export interface Counted {
  roundTrips: number;
  statements: number;
  commits: number;
  walBytes: number;
}

export interface Ratios {
  /** Onboardings per second, relative to the bare relay, and to the usual Nest service. */
  rateOfRelay: number;
  rateOfUsual: number;
  /** The service's CPU time per onboarding, relative to the bare relay; null if it is not known. */
  cpuOfRelay: number | null;
}

export interface Bounds {
  atMost: Counted & { cpuOfRelay: number };
  atLeast: { rateOfRelay: number; rateOfUsual: number };
}

export interface Try {
  ratios: Ratios;
  /** How much a reference server's throughput varied: (largest turn − smallest turn) / median turn. */
  noise: number;
}

/** Above this `noise`, the ratios are not judged. */
export const TOO_NOISY = 1 / 3;
/** The check fails at this many noisy runs in a row on main, because it judges nothing in them. */
const NOISY_RUNS = 3;

export interface Evidence {
  counted: Counted;
  bounds: Bounds;
  /** At most two. The second one is made only if {@link needsAnotherTry} says so. */
  tries: readonly Try[];
  onMain: boolean;
  /** How many runs on main immediately before this run were noisy. */
  noisyBefore: number;
}

export interface Judgement {
  passes: boolean;
  /** One line for each result that is wrong or could not be judged. */
  lines: string[];
  /** `noisyBefore` of the next run. */
  noisyInARow: number;
}

const isNoisy = ({ noise }: Try): boolean => noise > TOO_NOISY;

/** On a slow machine, a ratio may be wrong although the references hardly varied. */
export const needsAnotherTry = (first: Try, bounds: Bounds): boolean =>
  isNoisy(first) || ratioFaults(first.ratios, bounds).length > 0;

export function judge({ counted, bounds, tries, onMain, noisyBefore }: Evidence): Judgement {
  const lines = Object.keys(counted).flatMap((key) => {
    const name = key as keyof Counted;
    return moreThan(`${name} per onboarding`, counted[name], bounds.atMost[name]);
  });
  const quiet = tries.filter((each) => !isNoisy(each)).map(({ ratios }) => ratioFaults(ratios, bounds));
  if (quiet.length > 0) {
    if (quiet.every((faults) => faults.length > 0)) lines.push(...quiet.at(-1)!);
    return { passes: lines.length === 0, lines, noisyInARow: onMain ? 0 : noisyBefore };
  }
  const countsPass = lines.length === 0;
  const noises = tries.map(({ noise }) => `${Math.round(noise * 100)} %`).join(' and ');
  lines.push(
    `TOO NOISY TO JUDGE RATIOS: the references varied by ${noises} between turns; only counts were judged`,
  );
  if (!onMain) return { passes: countsPass, lines, noisyInARow: noisyBefore };
  const noisyInARow = noisyBefore + 1;
  const tooOften = noisyInARow >= NOISY_RUNS;
  if (tooOften) lines.push(`${noisyInARow} noisy runs in a row on main: use a quieter machine for the check`);
  return { passes: countsPass && !tooOften, lines, noisyInARow };
}

function ratioFaults(
  { rateOfRelay, rateOfUsual, cpuOfRelay }: Ratios,
  { atLeast, atMost }: Bounds,
): string[] {
  return [
    ...lessThan('onboardings a second against the bare relay', rateOfRelay, atLeast.rateOfRelay),
    ...lessThan('onboardings a second against the usual Nest way', rateOfUsual, atLeast.rateOfUsual),
    ...(cpuOfRelay === null
      ? []
      : moreThan('CPU of the service against the bare relay', cpuOfRelay, atMost.cpuOfRelay)),
  ];
}

// A missing figure is NaN, which no bound allows.
const moreThan = (what: string, value: number, bound: number): string[] =>
  value <= bound ? [] : [`${what}: ${shown(value)}, at most ${shown(bound)} allowed`];
const lessThan = (what: string, value: number, bound: number): string[] =>
  value >= bound ? [] : [`${what}: ${shown(value)}, at least ${shown(bound)} wanted`];

/** Measurements are exact to three digits at most. */
export const shown = (value: number): string => String(Number(value.toPrecision(3)));
