import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ATTESTATION_CODES } from '#libs/authenticators';
import { FAULT_CODES, PROBLEM_CODES, problemType } from '#libs/kernel';
import { RESULT_CODES, SIGNALS, STATES, nextState, type State, type StepName } from '#libs/onboarding';
import { configurationMarkdown, signalsMarkdown } from '#libs/platform';
import { testConfig } from '#libs/testing';
import { PROVIDERS } from '#libs/upstream';
import { COMMANDS, STANDALONE } from '../apps/cli/src/commands.js';
import { run } from '../apps/cli/src/run.js';
import { errorsMarkdown } from '../apps/onboarding/src/error-list.js';
import { eventsMarkdown, restMarkdown } from '../apps/onboarding/src/rest-reference.js';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** Signals that the diagram does not show; the text below the diagram explains them. */
const NOT_DRAWN = new Set(['step_failed', 'expired', 'cancelled', 'late_answer']);

/** The diagram has a node of `outcome_unknown` for each step whose outcome may be unknown. */
const LOST: { step: StepName; submitted: string; node: string }[] = [
  { step: 'verify-otp', submitted: 'otp_submitted', node: 'unknown_code' },
  { step: 'create-authenticators', submitted: 'authenticators_submitted', node: 'unknown_passkey' },
];

const MACHINE = 'docs/explanation/state-machine.md';

function arrowsOfDiagram(): string[] {
  const [, diagram = ''] = /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(read(MACHINE)) ?? [];
  return [...diagram.matchAll(/^\s*\w+ --> \w+: .+$/gm)].map(([arrow]) => arrow.trim()).sort();
}

function arrowsOfMachine(): string[] {
  const places = STATES.flatMap((state): { state: State; step: StepName | null; node: string }[] =>
    state === 'outcome_unknown'
      ? LOST.map(({ step, node }) => ({ state, step, node }))
      : [{ state, step: null, node: state }],
  );
  const nodeOf = (to: string, from: string) =>
    to === 'outcome_unknown' ? LOST.find(({ submitted }) => submitted === from)?.node : to;
  return places
    .flatMap(({ state, step, node }) =>
      SIGNALS.filter((signal) => !NOT_DRAWN.has(signal)).flatMap((signal) => {
        const lives = nextState({ state, step, sessionLives: true, codeLives: true }, signal);
        const over = nextState({ state, step, sessionLives: false, codeLives: false }, signal);
        if (!lives || !over) return [];
        if (lives === over) return [`${node} --> ${nodeOf(lives, state)}: ${signal}`];
        const what = state === 'outcome_unknown' ? 'session' : 'old code';
        return [
          `${node} --> ${lives}: ${signal} [${what} lives]`,
          `${node} --> ${over}: ${signal} [${what} over]`,
        ];
      }),
    )
    .sort();
}

describe('the diagram of the state machine', () => {
  it('shows the same states and signals as the code', () => {
    expect(arrowsOfDiagram()).toEqual(arrowsOfMachine());
  });
});

describe('docs/reference', () => {
  it('has pages that are equal to the pages generated from the code', () => {
    expect(read('docs/reference/configuration.md')).toBe(configurationMarkdown(PROVIDERS));
    expect(read('docs/reference/errors.md')).toBe(errorsMarkdown());
    const openApi = JSON.parse(read('docs/openapi.json')) as Parameters<typeof restMarkdown>[0];
    expect(read('docs/reference/rest.md')).toBe(restMarkdown(openApi));
    expect(read('docs/reference/events.md')).toBe(eventsMarkdown(openApi));
    expect(read('docs/reference/signals.md')).toBe(signalsMarkdown());
  });

  it.each(PROVIDERS)(
    'has a row for each environment variable, also for those of the provider $kind',
    (provider) => {
      const rows = [
        ...configurationMarkdown([provider]).matchAll(/^\| `([^`]+)` \| (.*) \| (.*) \| (.*) \| (.*) \|$/gm),
      ];
      const names = rows.map(([, name]) => name);
      for (const name of Object.keys(testConfig())) expect(names).toContain(name);
      expect(new Set(names).size).toBe(names.length);
      expect(rows.filter(([, , ...cells]) => cells.some((cell) => cell === '' || cell === '`…`'))).toEqual(
        [],
      );
      const withoutExample = rows.filter((row) => row.at(-1) === '–').map(([, name]) => name);
      expect(withoutExample).toEqual([]);
    },
  );

  it('describes only environment variables that the code reads', () => {
    const code = ['apps', 'libs']
      .flatMap((folder) =>
        readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
          .filter((file) => /(?<!spec)\.ts$/.test(file) && !/^testing\/|\/fixtures\//.test(file))
          .map((file) => read(join(folder, file))),
      )
      .join('\n');
    // A name in backticks, in a definition or before `: true` is not a read of the variable.
    const only = '`|: setting\\(|: tuning\\(|: true';
    const isRead = (name: string) => new RegExp(`(?<!\`)\\b${name}\\b(?!${only})`).test(code);
    const names = Object.keys(testConfig()).filter((name) => !isRead(name));
    expect(names).toEqual([]);
  });

  it('lists at most 27 environment variables that most installations must look at', () => {
    const [settings = ''] = read('docs/reference/configuration.md').split('## Integrations');
    expect(settings.match(/^\| `/gm)!.length).toBeLessThanOrEqual(27);
  });

  it('has an entry for each problem, at the address that `type` of the problem names', () => {
    const headings = [...read('docs/reference/errors.md').matchAll(/^## (\w+)$/gm)].map(
      ([, code]) => `/docs/errors#${code}`,
    );
    expect(headings).toEqual(PROBLEM_CODES.map(problemType));
  });

  it('has an entry for each code that the member `errors` of a problem may contain', () => {
    const entries = [...read('docs/reference/errors.md').matchAll(/^- `(\w+)`: /gm)].map(([, code]) => code);
    expect(entries).toEqual(expect.arrayContaining([...FAULT_CODES]));
  });
});

interface Measured {
  name: string;
  atOnce: number;
  delayMs: number;
  perSecond: number;
  p50: number;
}

describe('README.md', () => {
  const readme = read('README.md');
  const { rows } = JSON.parse(read('docs/performance.json')) as { rows: Measured[] };
  const measured = (name: string, delayMs: number) =>
    rows.find((row) => row.name === name && row.atOnce === 16 && row.delayMs === delayMs)!;
  const rounded = (value: number) => Number(value.toPrecision(3));

  it('has the figures of the last benchmark', () => {
    const quoted = [...readme.matchAll(/^\| [\w ]+ \| +([\d.]+) \| +([\d.]+) ms \|$/gm)];
    const expected = ['relay', 'gangway', 'usual'].map((name) => measured(name, 50));
    expect(quoted.map(([, ...figures]) => figures.map(Number))).toEqual(
      expected.map(({ perSecond, p50 }) => [rounded(perSecond), Number(p50.toFixed(1))]),
    );
    const [gangway, relay] = ['gangway', 'relay'].map((name) => rounded(measured(name, 0).perSecond));
    expect(readme).toContain(`Gangway completes ${gangway} onboardings a second, and the relay ${relay}.`);
  });

  it('has at most 150 lines', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(150);
  });
});

describe('docs/integrate.md', () => {
  const guide = read('docs/integrate.md');
  const rows = [...guide.matchAll(/^\| \[`([^`]+)`\]\(\.\.\/([^)]+)\) +\| +(\d+) \|/gm)];
  const sources = rows.map(([, name = '', source = '']) => ({ name, text: read(source) }));

  it('says how many lines each file of the example has', () => {
    const lines = sources.map(({ text }) => text.split('\n').length - 1);
    expect(rows.map(([, , , said]) => Number(said))).toEqual(lines);
    expect(guide).toContain(`These are ${lines.reduce((sum, each) => sum + each)} lines`);
  });

  it('names all files that the example imports', () => {
    const imported = sources.flatMap(({ name, text }) =>
      [...text.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(name), path)),
    );
    const names = sources.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['main.js', 'page/index.html', ...imported]));
  });

  it('quotes the code of the example without a change', () => {
    const plain = (code: string) => code.replaceAll(/\s+/g, '');
    const quotes = [...guide.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = '']) => plain(code));
    expect(quotes.length).toBe(4);
    const files = sources.map(({ text }) => plain(text));
    expect(quotes.filter((quote) => !files.some((file) => file.includes(quote)))).toEqual([]);
  });

  it('names each problem code', () => {
    expect(PROBLEM_CODES.filter((code) => !guide.includes(`\`${code}\``))).toEqual([]);
  });

  it('names each error code of the example itself', () => {
    const made = sources.flatMap(({ text }) => [...text.matchAll(/(?:code|ERROR_\w+): '(\w+)'/g)]);
    const codes = [...new Set(made.map(([, code = '']) => code))];
    expect(codes).toEqual(expect.arrayContaining(['service_unreachable', 'not_started', 'wrong_site']));
    expect(codes.filter((code) => !guide.includes(`\`${code}\``))).toEqual([]);
  });

  it('names each code of `lastResult`', () => {
    expect(RESULT_CODES.filter((code) => !guide.includes(`\`${code}\``))).toEqual([]);
  });
});

describe('docs/explanation/passkeys.md', () => {
  it('names each code with which a passkey may be refused', () => {
    const rows = [...read('docs/explanation/passkeys.md').matchAll(/^\| `(\w+)` +\|/gm)];
    expect(rows.map(([, code]) => code).sort()).toEqual([...ATTESTATION_CODES].sort());
  });
});

describe('docs/explanation/providers.md', () => {
  it('has a column for each kind of provider', () => {
    const [header = ''] = /^\| +\| .*`byzantine`.*$/m.exec(read('docs/explanation/providers.md')) ?? [];
    const columns = [...header.matchAll(/`([\w-]+)`/g)].map(([, kind]) => kind);
    expect(columns).toEqual(PROVIDERS.map(({ kind }) => kind));
  });
});

const ROOTS = ['README', 'ARCHITECTURE', 'CONTRIBUTING', 'SECURITY', 'CHANGELOG'].map((name) => `${name}.md`);
const PAPERS = [
  ...ROOTS,
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .sort(),
  'apps/sandbox/README.md',
  'deploy/observability/README.md',
  'test/README.md',
];

const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const linksIn = (paper: string) =>
  [...read(paper).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].map(([link, path = '', anchor]) => ({
    link,
    target: path === '' ? paper : join(dirname(paper), path),
    anchor,
  }));

const codeIn = (paper: string) => [
  ...[...read(paper).matchAll(/^ *```(?:bash|sh)\n([\s\S]*?)^ *```$/gm)].flatMap(([, block = '']) =>
    block.replaceAll('\\\n', ' ').split('\n'),
  ),
  ...[...read(paper).matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map(([, span = '']) => span),
];

const UUID = '01980000-0000-7000-8000-000000000000';
const KEY_ID = '0'.repeat(20);
const WORDS: Record<string, string> = { '<module>': 'Steps', '<level>': 'debug' };

/** The words of a document's `gangway` commands, with a value in place of each placeholder. */
const gangwayCommandsIn = (paper: string) =>
  codeIn(paper)
    .map(
      (code) =>
        /(?:^|\$\()(?:.*\bnpm .*run (?:-s )?gangway --|gangway) (.*?)(?: +#.*)?$/.exec(code.trim())?.[1],
    )
    .filter((line) => line !== undefined && !/^(?:env\b|…|<command>)/.test(line))
    .map((line) => line!.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', '')))
    .map((words) =>
      words.map((word) => (word === '<id>' ? (words[0] === 'keys' ? KEY_ID : UUID) : (WORDS[word] ?? word))),
    );

const isName = ([group = '', name = '', ...more]: string[]) =>
  more.length === 0 &&
  (name === '' ? group in COMMANDS || group in STANDALONE : name in (COMMANDS[group] ?? {}));

/**
 * Without a database, a known command fails too, but with another error.
 * @returns the error of an unknown command; otherwise an empty text
 */
async function misuseOf(words: string[]): Promise<string> {
  let said = '';
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/x', HASH_KEY: Buffer.alloc(32).toString('base64') };
  await run(words, env, { out: () => undefined, err: (text) => (said += `${text}\n`) });
  return /usage: gangway|there is no command/.test(said) ? said : '';
}

describe('the command line', () => {
  const commands = PAPERS.flatMap((paper) =>
    gangwayCommandsIn(paper)
      .filter((words) => !isName(words))
      .map((words) => ({ paper, words, command: words.join(' ') })),
  );

  it.each(commands)('knows the command that $paper contains: $command', async ({ words }) => {
    expect(await misuseOf(words)).toBe('');
  });
});

describe('the documents', () => {
  it('name only npm scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = PAPERS.flatMap((paper) =>
      codeIn(paper).flatMap((code) => [...code.matchAll(/\bnpm .*?run (?:-s )?([\w:]+)/g)]),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.map(([, script = '']) => script).filter((script) => !(script in scripts))).toEqual([]);
  });
});

describe.each(PAPERS)('the document %s', (paper) => {
  it('has no broken links', () => {
    const broken = linksIn(paper).filter(({ target, anchor }) => {
      if (!existsSync(join(ROOT, target))) return true;
      if (anchor === undefined) return false;
      return ![...read(target).matchAll(/^#+ (.+)$/gm)].some(
        ([, heading = '']) => anchorOf(heading) === anchor,
      );
    });
    expect(broken.map(({ link }) => link)).toEqual([]);
  });

  it('names only files of the project that exist', () => {
    const named = [...read(paper).matchAll(/`((?:apps|libs|tools|docs|test|bench)\/[\w./-]+)`/g)];
    expect(named.map(([, path = '']) => path).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe('the links of the README', () => {
  it('lead to each document, directly or through other documents', () => {
    const reached = new Set(['README.md']);
    for (const paper of reached) {
      const folders = linksIn(paper).map(({ target }) => target.replace(/\/$/, ''));
      for (const target of folders.flatMap((each) => [each, join(each, 'README.md')])) {
        if (PAPERS.includes(target)) reached.add(target);
      }
    }
    expect(PAPERS.filter((paper) => !reached.has(paper))).toEqual([]);
  });
});
