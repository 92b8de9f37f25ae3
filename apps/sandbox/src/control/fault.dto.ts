import { z } from 'zod';

/** The upstream operations that a fault can strike; `*` is all of them. */
export const FAULT_ROUTES = [
  'init-otp',
  'otp-auth',
  'create-authenticators-otp',
  'health',
  'whoami',
  '*',
] as const;

/** Ten minutes: a longer wait is a typing error, and no client waits for it. */
const MAX_DELAY_MS = 600_000;

/** A scripted fault, as `POST /_sandbox/faults` takes it. */
export const faultSpec = z
  .strictObject({
    /** The operation, or its whole path. */
    route: z.string().transform((route, context) => {
      const name = FAULT_ROUTES.find((known) => route === known || route.endsWith(`/${known}`));
      if (name === undefined) context.addIssue(`unknown route; one of ${FAULT_ROUTES.join(', ')}`);
      return name ?? z.NEVER;
    }),
    /** How many requests it strikes; 0 is every one until it is taken back. */
    times: z.int().min(0).default(1),
    /** Only requests of this user. */
    match: z.strictObject({ userId: z.guid().transform((id) => id.toLowerCase()) }).optional(),
    status: z.int().min(200).max(599).optional(),
    /** A string goes out as it stands; anything else as JSON. */
    body: z.json().optional(),
    contentType: z.string().min(1).optional(),
    retryAfterS: z.int().min(0).optional(),
    delayMs: z.int().min(0).max(MAX_DELAY_MS).optional(),
    cut: z.enum(['before', 'after', 'mid-response']).optional(),
    /** The request takes effect first, then the fault strikes. */
    afterEffect: z.boolean().optional(),
  })
  .superRefine((fault, context) => {
    const answers = fault.status !== undefined || fault.body !== undefined;
    const complain = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });

    if (!answers && fault.cut === undefined && fault.delayMs === undefined) {
      complain('status', 'a fault needs a status, a body, a delayMs or a cut');
    }
    if (answers && (fault.cut === 'before' || fault.cut === 'after')) {
      complain('cut', `"${fault.cut}" sends no answer: leave status and body out`);
    }
    if (fault.cut === 'before' && fault.afterEffect === true) {
      complain('afterEffect', 'contradicts cut "before"; use cut "after"');
    }
    if (fault.cut === 'after' && fault.afterEffect === false) {
      complain('afterEffect', 'contradicts cut "after"; use cut "before"');
    }
    if (!answers && fault.retryAfterS !== undefined) complain('retryAfterS', 'needs a status');
    if (fault.body === undefined && fault.contentType !== undefined) complain('contentType', 'needs a body');
  });

export type FaultSpec = z.input<typeof faultSpec>;
export type ParsedFaultSpec = z.output<typeof faultSpec>;
