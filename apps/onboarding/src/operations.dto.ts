import { z } from 'zod';
import { rule } from '#libs/platform';
import { isCallerName } from '#libs/kernel';
import {
  ITEM_OUTCOMES,
  OPERATION_ACTIONS,
  OPERATION_STATES,
  PARKED_REASONS,
  RESULT_CODES,
  STATES,
  STEPS,
  SYSTEM_ACTIONS,
  type Operation,
  type OperationItem,
} from '#libs/onboarding';
import { cursor, whole } from './onboarding.dto.js';
import { EXAMPLE } from './schema-marks.js';
import { instant, optional, text } from './text.js';

/** So many ids fit in a body of 256 KiB, the maximum size. */
const MAX_IDS = 5_000;

const reason = text(500).meta({
  description: 'Why the operator does this. The audit and the timelines show it.',
});

const givenInstant = z.iso
  .datetime({ offset: true, error: 'is not an RFC 3339 instant' })
  .transform((given) => new Date(given));

const filter = z
  .strictObject({
    states: optional(z.array(z.enum(STATES)).min(1).max(STATES.length)),
    caller: optional(
      z
        .string()
        .refine(isCallerName, rule('invalid_format', 'is not 1 to 255 printable characters'))
        .meta({ minLength: 1, maxLength: 255 }),
    ),
    integration: optional(text(32)),
    accountId: optional(text(64)),
    userId: optional(text(64)),
    externalRef: optional(text(255)),
    parked: optional(z.boolean()),
    createdAfter: optional(givenInstant),
    createdBefore: optional(givenInstant),
  })
  .meta({
    id: 'OperationFilter',
    description: 'The filters of the list, with several states. At least one condition.',
  });

export const operationBody = z
  .strictObject({
    action: z.enum([...OPERATION_ACTIONS, 'rebuild_wake_ups']).meta({
      description:
        '`retry`, `resolve_done`, `resolve_not_done`, `cancel`, `resend` and `erase` do to each onboarding ' +
        'what the routes of the same names do to one. `rebuild_wake_ups` has no target: it queues the jobs ' +
        'of all waiting steps again.',
    }),
    ids: optional(
      z
        .array(z.uuid().transform((id) => id.toLowerCase()))
        .min(1)
        .max(MAX_IDS),
    ).meta({
      description: 'The onboardings. Give either these or `filter`.',
    }),
    filter: optional(filter).meta({ description: 'Which onboardings, as of now. At most 100 000.' }),
    reason,
    dryRun: optional(z.boolean()).meta({
      description: 'Whether only to count the onboardings and to show the first of them. Changes nothing.',
    }),
    atMost: optional(z.int().min(0)).meta({
      description: 'The count of the dry run. If more onboardings match now, nothing is started.',
    }),
  })
  .refine(({ action, atMost }) => action !== 'rebuild_wake_ups' || atMost === undefined, {
    ...rule('not_supported', 'does not fit "rebuild_wake_ups", which has no dry run'),
    path: ['atMost'],
  })
  .refine(
    ({ action, ids, filter: given }) =>
      Number(ids !== undefined) + Number(given !== undefined) === (action === 'rebuild_wake_ups' ? 0 : 1),
    {
      ...rule(
        'exactly_one_needed',
        'takes exactly one of ids and filter, and "rebuild_wake_ups" takes neither',
      ),
      path: ['action'],
    },
  )
  .meta({
    id: 'StartOperation',
    [EXAMPLE]: {
      action: 'retry',
      filter: { states: ['otp_submitted'], parked: true },
      reason: 'The provider is back.',
      dryRun: true,
    },
  });
export type OperationBody = z.output<typeof operationBody>;

export const operationReason = z
  .strictObject({ reason })
  .meta({ id: 'OperationReason', [EXAMPLE]: { reason: 'Their maintenance.' } });
export type OperationReason = z.output<typeof operationReason>;

export const operationIdParam = z
  .uuid('the id in the path is not a UUID')
  .transform((id) => id.toLowerCase());
export const integrationParam = text(32);

export const operationsQuery = z.strictObject({
  limit: whole(1, 200, 50).meta({ description: 'The most entries on a page.' }),
  cursor,
});
export type OperationsQuery = z.output<typeof operationsQuery>;

export const itemsQuery = z.strictObject({
  outcome: z.enum(ITEM_OUTCOMES).optional(),
  limit: whole(1, 1000, 200).meta({ description: 'The most entries on a page.' }),
  cursor,
});
export type ItemsQuery = z.output<typeof itemsQuery>;

const count = z.int().min(0);

export const operationResource = z
  .object({
    id: z.uuid(),
    action: z.enum([...OPERATION_ACTIONS, ...SYSTEM_ACTIONS]),
    actor: z.string().meta({ description: '`operator:<name>`, `caller:<name>` or `cli:<user>`.' }),
    via: z.enum(['console', 'rest', 'cli']),
    role: z.string().nullable(),
    reason: z.string(),
    target: z.record(z.string(), z.unknown()).meta({
      description: 'The ids, the filter or the integration. Values that identify a person are not kept.',
    }),
    state: z.enum(OPERATION_STATES),
    total: count,
    done: count,
    refused: count,
    failed: count,
    createdAt: instant,
    endedAt: instant.nullable(),
  })
  .meta({ id: 'Operation' });

export const operationPage = z
  .object({ items: z.array(operationResource), nextCursor: z.string().nullable() })
  .meta({ id: 'OperationPage' });

export const operationItemPage = z
  .object({
    items: z.array(
      z
        .object({
          onboardingId: z.uuid(),
          outcome: z.enum(ITEM_OUTCOMES),
          code: z.string().nullable().meta({ description: 'The code of the problem, if it is not done.' }),
          detail: z.string().nullable(),
          at: instant.nullable(),
        })
        .meta({ id: 'OperationItem' }),
    ),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'OperationItemPage' });

export const operationPreview = z
  .object({
    count,
    counted: z.enum(['exactly', 'at_least']).meta({
      description: '`at_least`: there are more than one operation can have.',
    }),
    sample: z.array(
      z
        .object({
          id: z.uuid(),
          integration: z.string(),
          caller: z.string(),
          state: z.enum(STATES),
          step: z.enum(STEPS).nullable(),
          parkedReason: z.enum(PARKED_REASONS).nullable(),
          externalRef: z.string().nullable(),
          lastResultCode: z.enum(RESULT_CODES).nullable(),
          createdAt: instant,
          updatedAt: instant,
          nextAttemptAt: instant.nullable(),
        })
        .meta({ id: 'OnboardingSummary' }),
    ),
  })
  .meta({ id: 'OperationPreview' });

const iso = (at: Date | null) => at?.toISOString() ?? null;

export function toOperation(operation: Operation) {
  const { integrations: _, traceParent: __, createdAt, endedAt, ...shown } = operation;
  return { ...shown, createdAt: createdAt.toISOString(), endedAt: iso(endedAt) };
}

export const toItem = ({ at, ...item }: OperationItem) => ({ ...item, at: iso(at) });
