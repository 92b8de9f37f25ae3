import type { OpenAPIObject } from '@nestjs/swagger';
import type { Scope } from '#libs/kernel';

interface Schema {
  $ref?: string;
  description?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  discriminator?: { mapping: Record<string, string> };
}
interface Route {
  summary: string;
  tags: string[];
  parameters?: { in: string; name: string; description?: string }[];
  security: { bearer: string[] }[];
  responses: Record<string, { description: string }>;
}

/** Most routes have these codes, so the tables omit them. */
const COMMON = new Set([
  'validation_failed',
  'unauthenticated',
  'forbidden',
  'not_found',
  'payload_too_large',
  'unsupported_media_type',
  'rate_limited',
  'internal',
  'not_ready',
  'idempotency_in_progress',
  'onboarding_erased',
  'idempotency_key_reused',
  'version_mismatch',
]);

const schemasOf = (document: OpenAPIObject) => document.components!.schemas as Record<string, Schema>;
const schemaAt = (schemas: Record<string, Schema>, ref: string) => schemas[ref.split('/').at(-1)!]!;
const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
const table = (heads: string[], rows: string[][]) =>
  [row(heads), row(heads.map(() => '---')), ...rows.map(row)].join('\n');
const quoted = (names: Iterable<string>) => [...names].map((name) => `\`${name}\``).join(', ');

/** @returns Markdown for docs/reference/rest.md. */
export function restMarkdown(document: OpenAPIObject): string {
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Route>).map(([method, route]) => ({
      ...route,
      name: `\`${method.toUpperCase()} ${path}\``,
    })),
  );
  const headers = new Map(
    routes.flatMap(({ parameters = [] }) =>
      parameters
        .filter((each) => each.in === 'header')
        .map(({ name, description = '' }) => [name, description] as const),
    ),
  );
  const sections = (document.tags ?? []).map(({ name, description }) => {
    const rows = routes
      .filter(({ tags }) => tags.at(-1) === name)
      .map((route) => [
        route.name,
        route.summary,
        route.security.flatMap(({ bearer }) => bearer.map((scope) => `\`${scope}\``)).join(' or '),
        Object.keys(route.responses)
          .filter((status) => status < '400')
          .join(', '),
        quoted(codesOf(route)),
      ]);
    const heads = ['Route', 'Does', 'Scope', 'Success', 'Codes of its own'];
    return `## ${name[0]!.toUpperCase()}${name.slice(1)}\n\n${description}\n\n${table(heads, rows)}`;
  });
  return `${INTRODUCTION}

## Scopes

${table(
  ['Scope', 'Allows the caller to'],
  Object.entries(SCOPES).map(([scope, meaning]) => [`\`${scope}\``, meaning]),
)}

You can limit a key or a token to some integrations (\`integrations\`). A start at another one is then
refused with 403.

## Headers of requests

${table(
  ['Header', 'Meaning'],
  [...headers].map(([name, description]) => [`\`${name}\``, description]),
)}

${sections.join('\n\n')}

## Codes of most routes

${quoted(COMMON)}. [Errors](errors.md) explains each code.

${statesOf(schemasOf(document))}
${membersByProvider(schemasOf(document))}`;
}

function codesOf({ responses }: Route): string[] {
  const codes = Object.entries(responses)
    .filter(([status]) => status >= '400')
    .flatMap(([, { description }]) => [...description.matchAll(/`(\w+)`/g)].map(([, code = '']) => code));
  return [...new Set(codes)].filter((code) => !COMMON.has(code));
}

function statesOf(schemas: Record<string, Schema>): string {
  const { state } = schemas['Onboarding']!.properties!;
  const states = [...state!.description!.matchAll(/((?:`\w+`(?:, )?)+): ([^`]+?)\.(?= `|$)/g)].map(
    ([, names = '', meaning = '']) => [names, meaning],
  );
  const actions = Object.entries(schemas['NextAction']!.discriminator!.mapping).map(([type, ref]) => {
    const members = Object.entries(schemaAt(schemas, ref).properties!).filter(([name]) => name !== 'type');
    return [
      `\`${type}\``,
      INSTRUCTION_BY_ACTION[type]!,
      members.map(([name, { description }]) => `\`${name}\`: ${description}`).join(' '),
    ];
  });
  return `## States

\`state\` says where the onboarding is.

${table(['State', 'Meaning'], states)}

## Next actions

\`nextAction.type\` says what the caller does next.

${table(['Type', 'What to do', 'Members'], actions)}
`;
}

function membersByProvider(schemas: Record<string, Schema>): string {
  const { subject, otp } = schemas['StartOnboarding']!.properties!;
  const rows = (member: Schema) =>
    (member.anyOf ?? member.oneOf ?? [])
      .flatMap(({ $ref }) => ($ref ? [schemaAt(schemas, $ref)] : []))
      .map(({ description = '', properties = {} }) => [
        description.split('.')[0]!.replace('At ', ''),
        quoted(Object.keys(properties)),
      ]);
  return `## Subject and code

\`subject\` of a start identifies the user at the provider:

${table(['Provider', 'Members of `subject`'], rows(subject!))}

\`otp\` of a start, and \`INTEGRATION_<NAME>_OTP_DEFAULTS\`, take options of the code. An option that
the provider does not have is refused by its name. A provider that the table omits has no options.

${table(['Provider', 'Members of `otp`'], rows(otp!))}

Gangway sends \`captchaToken\` and \`origin\` with each request for a code. A resend takes a new
\`captchaToken\`. If the defaults have an \`origin\`, Gangway sends it with every call.
`;
}

const SCOPES = {
  'onboardings:read': 'read its onboardings and timelines',
  'onboardings:write':
    'start onboardings, do all steps for its users, and cancel and resolve its onboardings',
  'onboardings:erase': 'erase its onboardings',
  'operations:read': 'read the onboardings of all callers, and operations',
  'operations:write': 'also cancel, resolve, retry and resend them, many at once, and pause integrations',
  admin: 'manage API keys',
} satisfies Record<Scope, string>;

const INSTRUCTION_BY_ACTION: Record<string, string> = {
  wait: 'Wait: read again, or follow the events.',
  submit_otp: 'Let the user type the code, and verify it.',
  resend_otp: 'Ask for a new code.',
  submit_authenticators: 'Get options, let the device make a passkey, and register it.',
  resolve: 'Decide whether the lost call had its effect, or ask for a new code.',
  none: 'Nothing: the onboarding has ended.',
};

const INTRODUCTION = `# REST

The service describes its API by itself: \`/docs\` shows all routes, bodies and answers, and \`/openapi.json\`
is the same as OpenAPI 3.1. [openapi.json](../openapi.json) is its copy in this repository; you can generate
a client from it. This page is the overview.

- Send \`Authorization: Bearer <API key or JWT>\`, and JSON.
- A caller sees only its own onboardings, unless it has one of the scopes \`operations:…\`.
- Every error is a problem with a \`code\`: [errors](errors.md).
- 202 is no error: the work continues without you. Read \`nextAction\`.
- Lists have pages: send the \`nextCursor\` of an answer as \`cursor\`.
- Each answer to a known caller has \`RateLimit\`, the requests that remain in this minute. An answer 429 has
  \`Retry-After\`.
- [Events](events.md) are the timeline of an onboarding.`;

/** @returns Markdown for docs/reference/events.md. */
export function eventsMarkdown(document: OpenAPIObject): string {
  const schemas = schemasOf(document);
  const entries = Object.entries(schemas['OnboardingEvent']!.discriminator!.mapping).map(([type, ref]) => {
    const { description, properties } = schemaAt(schemas, ref);
    const data = Object.entries(properties!['data']!.properties!);
    const members = data.map(([name, member]) => `- \`${name}\`: ${member.description}`);
    return [`## ${type}`, description, ...(members.length > 0 ? [members.join('\n')] : [])].join('\n\n');
  });
  return `${EVENTS_INTRODUCTION}\n\n${entries.join('\n\n')}\n`;
}

const EVENTS_INTRODUCTION = `# Events

The timeline of an onboarding. \`GET /v1/onboardings/{id}/events\` lists it, and
\`GET /v1/onboardings/{id}/events/stream\` sends each event as it happens (server-sent events).

Each event has these members:

- \`seq\`: its number in the timeline, from 1, without gaps. It is also the id of the server-sent event: a
  client that reconnects with \`Last-Event-ID\` misses nothing.
- \`type\`: one of the types below. Ignore a type that you do not know.
- \`at\`: when it happened, RFC 3339.
- \`actor\`: who caused it: \`caller\`, \`service\` or \`upstream\` (the provider).
- \`data\`: its own members, listed below. An erasure removes them.`;
