import { setTimeout as sleep } from 'node:timers/promises';
import { isUuid } from '#libs/kernel';
import {
  STATES,
  STEPS,
  notFound,
  type OnboardingSummary,
  type Operation,
  type OperationAction,
  type OperationFilter,
  type OperationTarget,
  type Operations,
  type State,
  type StepName,
} from '#libs/onboarding';
import { FailedWithAnswer, Misuse, type Command, type Group, type Values } from './command.js';
import { answerWithFailures, operationAnswer } from './operations.commands.js';
import { operatorOf } from './operator.js';
import { flag, listed, optional, required, text, wholeNumber } from './options.js';
import { table } from './table.js';

const POLL_MS = 500;
const EVENTS_SHOWN = 1_000;

const FILTER = {
  state: text,
  step: text,
  integration: text,
  caller: text,
  'external-ref': text,
  account: text,
  user: text,
  parked: flag,
  'created-after': text,
  'created-before': text,
} as const;
const FILTER_USAGE =
  '[--state a,b] [--step <name>] [--integration <name>] [--caller <name>] [--external-ref <text>] ' +
  '[--account <id>] [--user <id>] [--parked] [--created-after <instant>] [--created-before <instant>]';
const FILTERED = 'filtered';
const TARGET = `<id>[,<id>…]|${FILTERED}`;
const MORE = `--reason <text> [--dry-run] [--at-most <n>] [--wait] ${FILTER_USAGE}`;

/** Each change is an operation, which the worker carries out. */
export const ONBOARDINGS: Group = {
  list: {
    usage: `${FILTER_USAGE} [--limit <n>]`,
    summary: 'Lists onboardings, newest first, and counts them.',
    options: { ...FILTER, limit: text },
    positionals: 0,
    plan({ values }) {
      const limit = wholeNumber(values, 'limit', 1_000, 50);
      const filter = filterOf(values);
      return async ({ operations }) => countAnswer(await operations.newest(filter, limit));
    },
  },
  show: {
    usage: '<id>',
    summary: 'Shows an onboarding and its timeline.',
    options: {},
    positionals: 1,
    plan({ positionals: [id = ''] }) {
      if (!isUuid(id)) throw new Misuse('give the id of an onboarding.');
      return async ({ operations, timelines }) => {
        const { sample } = await operations.preview({ ids: [id] });
        if (sample.length === 0) throw notFound(id);
        const events = await timelines.events(id, EVENTS_SHOWN);
        const lines = table(
          events.map(({ seq, at, type, actor, data }) => [
            seq,
            at.toISOString(),
            actor,
            type,
            Object.keys(data).length > 0 ? JSON.stringify(data) : '',
          ]),
        );
        return { lines: [...linesOf(sample), '', ...lines], json: { ...sample[0], events } };
      };
    },
  },
  retry: action('Tries waiting and parked steps now.', () => 'retry'),
  resolve: {
    ...action('Decides whether steps with an unknown outcome took effect.', ({ outcome }) => {
      if (outcome === 'done') return 'resolve_done';
      if (outcome === 'not_done') return 'resolve_not_done';
      throw new Misuse('--outcome takes done or not_done.');
    }),
    usage: `${TARGET} --outcome done|not_done ${MORE}`,
  },
  cancel: action('Cancels live onboardings.', () => 'cancel'),
  resend: action('Sends new codes.', () => 'resend'),
  erase: action('Erases the personal data of onboardings, and cancels live ones.', () => 'erase'),
};

function action(summary: string, which: (values: Values) => OperationAction): Command {
  return {
    usage: `${TARGET} ${MORE}`,
    summary: `${summary} With --wait, the exit code is 1 if an onboarding was refused or failed.`,
    options: { ...FILTER, reason: text, outcome: text, 'dry-run': flag, 'at-most': text, wait: flag },
    positionals: 1,
    plan(call) {
      const { values } = call;
      const wanted = which(values);
      const target = targetOf(call.positionals[0]!, values);
      const reason = required(values, 'reason');
      const atMost = values['at-most'] === undefined ? undefined : wholeNumber(values, 'at-most', 100_000, 0);
      return async ({ operations }) => {
        if (values['dry-run']) return countAnswer(await operations.preview(target));
        const operation = await operations.start(wanted, target, reason, operatorOf(call), { atMost });
        if (!values['wait']) return operationAnswer(operation);
        const ended = await endOf(operations, operation);
        const answer = await answerWithFailures(operations, ended);
        if (ended.done === ended.total) return answer;
        throw new FailedWithAnswer(answer);
      };
    },
  };
}

async function endOf(operations: Operations, { id }: Operation): Promise<Operation> {
  for (;;) {
    const operation = await operations.find(id);
    if (!operation) throw new Error(`operation ${id} no longer exists`);
    if (operation.endedAt) return operation;
    await sleep(POLL_MS);
  }
}

/** Filters need the word `filtered`, so that a forgotten id does not change many onboardings. */
function targetOf(word: string, values: Values): OperationTarget {
  const filter = filterOf(values);
  if (word === FILTERED) return { filter };
  const ids = word.split(',');
  if (!ids.every(isUuid)) throw new Misuse(`give ids of onboardings, or "${FILTERED}" and filters.`);
  const hasFilter = Object.values(filter).some((value) => value !== undefined);
  if (hasFilter) throw new Misuse(`give either ids, or "${FILTERED}" and filters.`);
  return { ids };
}

function filterOf(values: Values): OperationFilter {
  return {
    states: statesOf(values),
    step: stepOf(values),
    integration: optional(values, 'integration'),
    caller: optional(values, 'caller'),
    externalRef: optional(values, 'external-ref'),
    accountId: optional(values, 'account'),
    userId: optional(values, 'user'),
    parked: values['parked'] === true ? true : undefined,
    createdAfter: instantOf(values, 'created-after'),
    createdBefore: instantOf(values, 'created-before'),
  };
}

function statesOf(values: Values): State[] | undefined {
  const given = listed(values, 'state');
  const isState = (word: string): word is State => (STATES as readonly string[]).includes(word);
  const unknown = given?.filter((word) => !isState(word)) ?? [];
  if (unknown.length === 0) return given?.filter(isState);
  throw new Misuse(`--state: unknown: ${unknown.join(', ')}. The states are: ${STATES.join(', ')}.`);
}

function stepOf(values: Values): StepName | undefined {
  const given = optional(values, 'step');
  const step = STEPS.find((name) => name === given);
  if (given !== undefined && !step) {
    throw new Misuse(`--step: unknown: ${given}. The steps are: ${STEPS.join(', ')}.`);
  }
  return step;
}

function instantOf(values: Values, name: string): Date | undefined {
  const given = optional(values, name);
  if (given === undefined) return undefined;
  const at = new Date(given);
  if (Number.isNaN(at.getTime()))
    throw new Misuse(`--${name} takes an instant such as 2026-11-28T12:00:00Z.`);
  return at;
}

function countAnswer({ count, counted, sample }: Awaited<ReturnType<Operations['preview']>>) {
  const more = counted === 'exactly' ? '' : ' or more';
  const part = sample.length < count ? `, the newest ${sample.length} of them shown` : '';
  const total = `${count}${more} onboardings${part}.`;
  return {
    lines: [...(sample.length > 0 ? linesOf(sample) : []), total],
    json: { count, counted, items: sample },
  };
}

const linesOf = (rows: readonly OnboardingSummary[]): string[] =>
  table([
    [
      'onboarding',
      'state',
      'integration',
      'caller',
      'parked',
      'last result',
      'next try',
      'created',
      'changed',
      'externalRef',
    ],
    ...rows.map((each) => [
      each.id,
      each.state === 'outcome_unknown' ? `${each.state} (${each.step})` : each.state,
      each.integration,
      each.caller,
      each.parkedReason,
      each.lastResultCode,
      each.nextAttemptAt,
      each.createdAt,
      each.updatedAt,
      each.externalRef,
    ]),
  ]);
