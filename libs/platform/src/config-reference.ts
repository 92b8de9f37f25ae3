import { z } from 'zod';
import { environment } from './config.js';
import { consoleSettings } from './console-settings.js';
import { settingsOf, variablesOf, type ProviderSettings } from './integration-config.js';
import type { About } from './config-values.js';
import { tracingSettings } from './signals/tracing-settings.js';

interface Described extends Partial<About> {
  group?: 'setting' | 'tuning';
  fallback?: string;
}

/** @returns the content of docs/reference/configuration.md. */
export function configurationMarkdown(providers: readonly ProviderSettings[]): string {
  const entries = Object.entries(environment.shape);
  const entriesOf = (group: Described['group']) =>
    entries.filter(([, schema]) => aboutOf(schema).group === group);
  const settings = entriesOf('setting');
  const settingsIn = (group: object) => settings.filter(([name]) => name in group);
  return [
    INTRODUCTION,
    table(settings.filter(([name]) => !(name in consoleSettings || name in tracingSettings))),
    '## Integrations',
    'Each name in `INTEGRATIONS` has its own variables. `<NAME>` is the name in capitals, with `_` for `-`.',
    table(prefixed(variablesOf(providers))),
    ...providers.flatMap((provider) => ofProvider(provider)),
    '## Console',
    'Only the console needs these. See [the ways to log in](../operations/console.md).',
    table(settingsIn(consoleSettings)),
    '## Traces',
    'These are variables of OpenTelemetry. See [the spans and their attributes](signals.md#span-attributes).',
    table(settingsIn(tracingSettings)),
    '## Tuning',
    'The defaults suit nearly all installations. Change one only for a reason, and measure.',
    table(entriesOf('tuning')),
    '',
  ].join('\n\n');
}

const INTRODUCTION = `# Configuration

Environment variables configure Gangway. Each process reads and checks all of them once, when it starts.
If it cannot use one, it names the variable and exits. It also exits for an unknown name that begins with
\`INTEGRATION_\`, and for a name that differs from a known one in only one or two letters. It ignores
a complete integration that \`INTEGRATIONS\` does not name.

- An empty variable counts as unset.
- A duration is a number with a unit, such as \`250ms\`, \`30s\`, \`5m\`, \`12h\` or \`2d\`. Without a unit,
  it is in milliseconds, or in seconds if the variable ends in \`_S\`.
- \`npm start\` gives each variable a value for development. A value that you set takes precedence.

## Settings`;

function ofProvider(provider: ProviderSettings): string[] {
  const own = settingsOf(provider);
  return own.length > 0 ? [`### ${provider.kind}`, table(prefixed(own))] : [];
}

const prefixed = (variables: [string, z.ZodType][]): [string, z.ZodType][] =>
  variables.map(([name, schema]) => [`INTEGRATION_<NAME>_${name}`, schema]);

function table(variables: [string, z.ZodType][]): string {
  const rows = variables.map(([name, schema]) => {
    const { description = '', example, values } = aboutOf(schema);
    const cells = [
      code(name),
      description,
      values ?? valuesOf(schema),
      defaultOf(schema),
      example ? code(example) : '–',
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return [
    '| Variable | Meaning | Values | Default | Example |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

const code = (text: string) => `\`${text}\``;
const aboutOf = (schema: z.ZodType) => (schema.meta() ?? {}) as Described;

function valuesOf(schema: z.ZodType): string {
  const { enum: words } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as {
    enum?: string[];
  };
  return words?.map(code).join(', ') ?? 'text';
}

function defaultOf(schema: z.ZodType): string {
  const { fallback } = aboutOf(schema);
  if (fallback !== undefined) return code(fallback);
  if (schema.safeParse(undefined).success) {
    const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    return typeof json.default === 'string' && json.default ? code(json.default) : '–';
  }
  return 'required';
}
