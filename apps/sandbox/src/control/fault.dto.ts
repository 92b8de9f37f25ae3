import { z } from 'zod';
import { PROXY_ROUTES, QUERIES, SUBMISSIONS } from '../turnkey/turnkey-paths.js';

/** `*` means all upstream routes. */
export const FAULT_ROUTES: readonly string[] = [
  'init-otp',
  'otp-auth',
  'create-authenticators-otp',
  'health',
  ...SUBMISSIONS,
  ...QUERIES,
  ...PROXY_ROUTES,
  '*',
];

/** How a fault changes a Turnkey activity. A status may have the prefix `ACTIVITY_STATUS_`. */
const activityScript = z.strictObject({
  status: z
    .string()
    .transform((status) => status.replace(/^ACTIVITY_STATUS_/, ''))
    .pipe(z.enum(['CREATED', 'PENDING', 'CONSENSUS_NEEDED', 'AUTHENTICATORS_NEEDED', 'FAILED', 'REJECTED']))
    .optional(),
  /** How many `get_activity` calls show the activity as pending first. */
  polls: z.int().min(1).optional(),
  /** Moves the result to `activity.result.activity.result`. */
  nested: z.boolean().optional(),
  /** Only for FAILED. The gRPC code follows from the HTTP `status`. */
  failure: z
    .strictObject({
      status: z.int().min(400).max(599).optional(),
      message: z.string().optional(),
      turnkeyErrorCode: z.string().optional(),
    })
    .optional(),
});

/** No client waits longer, so a longer delay must be a typing error. */
const MAX_DELAY_MS = 600_000;

const id = z.guid().transform((text) => text.toLowerCase());

/** The body of `POST /_sandbox/faults`. */
export const faultSpec = z
  .strictObject({
    /** The last segment of a path, or the whole path if two paths end with this segment. */
    route: z.string().transform((route, context) => {
      const name = FAULT_ROUTES.find((known) => route === known || route.endsWith(`/${known}`));
      if (name === undefined) {
        context.addIssue(`unknown route; give one of ${[...new Set(FAULT_ROUTES)].join(', ')}`);
        return z.NEVER;
      }
      return { route: name, path: route.startsWith('/') ? route : null };
    }),
    /** With 0, the fault applies until it is deleted. */
    times: z.int().min(0).default(1),
    /** The fault applies only to requests with all these values. */
    match: z
      .strictObject({ userId: id.optional(), organizationId: id.optional(), contact: z.string().optional() })
      .refine((match) => Object.keys(match).length > 0, 'needs a userId, an organizationId or a contact')
      .optional(),
    status: z.int().min(200).max(599).optional(),
    /** A string is sent unchanged, anything else as JSON. */
    body: z.json().optional(),
    contentType: z.string().min(1).optional(),
    retryAfterS: z.int().min(0).optional(),
    delayMs: z.int().min(0).max(MAX_DELAY_MS).optional(),
    cut: z.enum(['before', 'after', 'mid-response']).optional(),
    /** Whether the request takes effect before the fault applies. */
    afterEffect: z.boolean().optional(),
    activity: activityScript.optional(),
  })
  .superRefine((fault, context) => {
    const answers = fault.status !== undefined || fault.body !== undefined;
    const complain = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });

    const { activity } = fault;
    if (!answers && fault.cut === undefined && fault.delayMs === undefined && !activity) {
      complain('status', 'a fault needs a status, a body, a delayMs, a cut or an activity');
    }
    if (activity && Object.keys(activity).length === 0)
      complain('activity', 'needs a status, polls or nested');
    if (activity?.failure && activity.status !== 'FAILED')
      complain('activity.failure', 'needs status FAILED');
    if (activity && (fault.cut === 'before' || (answers && fault.afterEffect !== true))) {
      complain('activity', 'needs a request that takes effect: see afterEffect and cut');
    }
    if (activity && ![...SUBMISSIONS, '*'].includes(fault.route.route)) {
      complain('activity', `needs one of the routes ${SUBMISSIONS.join(', ')}`);
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
export type ParsedActivityScript = z.output<typeof activityScript>;
export type ParsedFaultSpec = z.output<typeof faultSpec>;
