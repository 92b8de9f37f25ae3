import { z } from 'zod';
import { Secret } from '#libs/kernel';
import { setting, url, type Faults } from '../config-values.js';

const SAMPLERS = [
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'always_on',
  'always_off',
  'traceidratio',
] as const;

export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    'Where spans are sent, by OTLP over HTTP with protobuf. Gangway adds `/v1/traces`. ' +
      'Without it, there are no traces.',
    url('http:', 'https:').optional(),
    { example: 'http://localhost:4318', values: '`http://…` or `https://…`' },
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(
    'Headers of each export, such as a token.',
    pairs()
      .transform((text) => new Secret(text))
      .optional(),
    {
      example: 'authorization=Bearer%20a-token',
      values: '`name=value`, percent-encoded, with commas between',
    },
  ),
  OTEL_SERVICE_NAME: setting(
    '`service.name` of the spans. By default `gangway-service`, `gangway-worker` or `gangway-console`.',
    z.string().optional(),
    { example: 'gangway-eu', values: 'text' },
  ),
  OTEL_RESOURCE_ATTRIBUTES: setting('More attributes of the process in each span.', pairs().optional(), {
    example: 'deployment.environment.name=prod',
    values: '`name=value`, percent-encoded, with commas between',
  }),
  OTEL_TRACES_SAMPLER: setting(
    'Which requests are traced. `parentbased_…` follows the `traceparent` of the caller, if there is one.',
    z.enum(SAMPLERS, { error: `is not one of: ${SAMPLERS.join(', ')}` }).default('parentbased_always_on'),
    { example: 'parentbased_traceidratio' },
  ),
  OTEL_TRACES_SAMPLER_ARG: setting(
    'The share of requests that a sampler with `traceidratio` takes. By default all.',
    z.coerce
      .number({ error: 'is not a number' })
      .min(0, 'is less than 0')
      .max(1, 'is more than 1')
      .optional(),
    { example: '0.01', values: '0 to 1' },
  ),
};

/** Finds a sampler argument that the sampler ignores, so that not all requests are traced by mistake. */
export function unusedShare(settings: {
  OTEL_TRACES_SAMPLER: string;
  OTEL_TRACES_SAMPLER_ARG?: number | undefined;
}): Faults {
  const { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share } = settings;
  if (share === undefined || sampler.endsWith('traceidratio')) return [];
  const detail = `needs OTEL_TRACES_SAMPLER=parentbased_traceidratio to have an effect`;
  return [{ variable: 'OTEL_TRACES_SAMPLER_ARG', detail }];
}

function pairs() {
  return z.string().refine((text) => pairsOf(text) !== null, 'is not a list of name=value, percent-encoded');
}

/** Reads `name=value,…`, percent-encoded. @returns null if the text has another form. */
export function pairsOf(text: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  for (const pair of text.split(',').map((each) => each.trim())) {
    if (pair === '') continue;
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)\s*=\s*([!-~]*)$/.exec(pair) ?? [];
    if (name === undefined || value === undefined) return null;
    try {
      found[decodeURIComponent(name)] = decodeURIComponent(value);
    } catch {
      return null;
    }
  }
  return found;
}
