import { isUuid, ProblemError } from '#libs/kernel';
import type { Operation, OperationItem, Operations } from '#libs/onboarding';
import { Misuse, type Answer, type Call, type Group } from './command.js';
import { operatorOf } from './operator.js';
import { required, text, wholeNumber } from './options.js';
import { table } from './table.js';

const ITEMS_SHOWN = 1_000;

export const OPERATIONS: Group = {
  list: {
    usage: '[--limit <n>]',
    summary: 'Lists operations, newest first.',
    options: { limit: text },
    positionals: 0,
    plan({ values }) {
      const limit = wholeNumber(values, 'limit', 1_000, 20);
      return async ({ operations }) => {
        const items = await operations.list(limit);
        return { lines: items.length > 0 ? linesOf(items) : ['There are no operations.'], json: { items } };
      };
    },
  },
  show: {
    usage: '<id>',
    summary: `Shows an operation and its first ${ITEMS_SHOWN} items.`,
    options: {},
    positionals: 1,
    plan(call) {
      const id = idOf(call);
      return async ({ operations }) => {
        const operation = await operations.find(id);
        if (!operation) throw new ProblemError('not_found', { detail: `There is no operation ${id}.` });
        const items = await operations.items(id, { limit: ITEMS_SHOWN });
        return withItems(operation, items);
      };
    },
  },
  abort: {
    usage: '<id> --reason <text>',
    summary: 'Ends an operation. A worker still finishes the items that it has begun.',
    options: { reason: text },
    positionals: 1,
    plan(call) {
      const id = idOf(call);
      const reason = required(call.values, 'reason');
      return async ({ operations }) => operationAnswer(await operations.abort(id, reason, operatorOf(call)));
    },
  },
  'rebuild-wake-ups': {
    usage: '--reason <text>',
    summary: 'Queues the jobs of all waiting steps again, after Redis has lost them.',
    options: { reason: text },
    positionals: 0,
    plan(call) {
      const reason = required(call.values, 'reason');
      return async ({ operations }) =>
        operationAnswer(await operations.rebuildWakeUps(reason, operatorOf(call)));
    },
  },
};

export const operationAnswer = (operation: Operation): Answer => ({
  lines: linesOf([operation]),
  json: operation,
});

export async function answerWithFailures(operations: Operations, operation: Operation): Promise<Answer> {
  const read = (outcome: 'refused' | 'failed') =>
    operations.items(operation.id, { outcome, limit: ITEMS_SHOWN });
  return withItems(operation, [...(await read('refused')), ...(await read('failed'))]);
}

const withItems = (operation: Operation, items: OperationItem[]): Answer => ({
  lines: [...linesOf([operation]), ...table(items.map(cellsOf))],
  json: { ...operation, items },
});

const linesOf = (operations: readonly Operation[]): string[] =>
  table([
    [
      'operation',
      'action',
      'state',
      'total',
      'done',
      'refused',
      'failed',
      'by',
      'created',
      'integration',
      'reason',
    ],
    ...operations.map((each) => [
      each.id,
      each.action,
      each.state,
      each.total,
      each.done,
      each.refused,
      each.failed,
      each.actor,
      each.createdAt.toISOString(),
      integrationOf(each),
      each.reason,
    ]),
  ]);

function integrationOf({ target }: Operation): string | undefined {
  const { integration, filter } = target as { integration?: string; filter?: { integration?: string } };
  return integration ?? filter?.integration;
}

const cellsOf = ({ onboardingId, outcome, code, detail }: OperationItem) => [
  onboardingId,
  outcome,
  code,
  detail,
];

function idOf({ positionals: [id = ''] }: Call): string {
  if (isUuid(id)) return id.toLowerCase();
  throw new Misuse('give the id of an operation (see operations list).');
}
