import { RESULT_CODES, STATES, STEPS, type Columns, type StepName } from '#libs/onboarding';
import { told } from './core.js';
import { rowAt } from './rows.js';
import { grouped, type Cell } from './words.js';

/** The states in which a row may be when a caller stops waiting for its step. */
const PLACES: Readonly<Record<string, Partial<Columns>>> = {
  ...Object.fromEntries(
    STATES.filter((state) => state !== 'otp_needed' && state !== 'outcome_unknown').map((state) => [
      state,
      { state },
    ]),
  ),
  ...Object.fromEntries(
    (['otp_expired', 'session_expired', 'send_failed'] as const).map((reason) => [
      `otp_needed, ${reason}`,
      { state: 'otp_needed', reason },
    ]),
  ),
  ...Object.fromEntries(
    (['verify-otp', 'create-authenticators'] as const).map((step) => [
      `outcome_unknown after ${step}`,
      { state: 'outcome_unknown', step },
    ]),
  ),
};

const NO_RESULT = 'no result';
const RESULTS = [NO_RESULT, ...RESULT_CODES];

/**
 * @returns the text of `tables/told.txt`: the answer to a caller that waited for a step, by the row's state
 *   and by the result in the row, which may belong to an older step.
 */
export function toldTable(): string {
  return STEPS.map((step) => {
    const dimensions = {
      place: Object.keys(PLACES),
      result: RESULTS,
      of: ['of its step', 'of another step'],
      kept: ['as the last result', 'as the failure'],
    };
    const cells: Cell[] = [];
    for (const place of dimensions.place)
      for (const result of dimensions.result)
        for (const of of dimensions.of)
          for (const kept of dimensions.kept) {
            const resultStep = of === 'of its step' ? step : anotherThan(step);
            const row = rowAt({ ...PLACES[place], ...columnsOf(result, resultStep, kept) });
            cells.push({ at: { place, result, of, kept }, text: told(row, step) ?? 'the onboarding itself' });
          }
    return `${step}\n${grouped(dimensions, cells)}`;
  }).join('\n\n');
}

const anotherThan = (step: StepName): StepName => (step === 'init-otp' ? 'verify-otp' : 'init-otp');

function columnsOf(result: string, step: StepName, kept: string): Partial<Columns> {
  if (result === NO_RESULT) return {};
  const told = { code: result as (typeof RESULT_CODES)[number], detail: 'd', step, at: 'then' };
  return kept === 'as the failure' ? { failure: { ...told, upstreamStatus: null } } : { lastResult: told };
}
