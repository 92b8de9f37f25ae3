import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, expect } from '@jest/globals';
import { masked } from './masked.js';

const FOLDER = join(import.meta.dirname, '../recordings');

/** Recordings round times to minutes. With this offset, a run that is 20 s slower has the same minutes. */
const SLACK_MS = 20_000;

/**
 * To accept a difference, set it to `name of the change: reason`. The name `unsteady` ends the comparison of
 * the tests that differ now.
 */
const wanted = process.env['ACCEPT_RECORDINGS'];

/** Replaces the recorded lines of a test whose answers depend on timing. */
const UNSTEADY = 'unsteady';

interface Event {
  type: string;
  at: string;
  actor: string;
  data: object;
}

interface RunningStory {
  events(id: string): Promise<Event[]>;
}

interface Request {
  method: string;
  path: string;
  headers: Record<string, string>;
}

interface Answer {
  status: number;
  body: unknown;
}

type Lines = Map<string, Set<string>>;

/** Compares the answers and timelines of a test file with its committed recording. */
class Recording {
  readonly #seen: Lines = new Map();
  readonly #started = new Map<string, { test: string; story: RunningStory }>();

  get name(): string {
    return basename(expect.getState().testPath!).replace(/\.e2e-spec\.ts$/, '');
  }

  get #file(): string {
    return join(FOLDER, `${this.name}.txt`);
  }

  get #isNeeded(): boolean {
    return Boolean(wanted) || existsSync(this.#file);
  }

  /** Records an answer of a route under `/v1/`, but no events: {@link timelines} records them. */
  answer(story: RunningStory, { method, path, headers }: Request, { status, body }: Answer): void {
    if (!path.startsWith('/v1/') || path.includes('/events') || !this.#isNeeded) return;
    const test = expect.getState().currentTestName ?? 'before the tests';
    const resource = (body ?? {}) as { id?: string; createdAt?: string };
    if (resource.id && method === 'POST' && path === '/v1/onboardings') {
      this.#started.set(resource.id, { test, story });
    }
    // If the caller does not wait for the step, the answer depends on timing.
    if (/respond-async|wait=0/.test(headers['prefer'] ?? '')) return;
    const base = resource.createdAt ? Date.parse(resource.createdAt) + SLACK_MS : Date.now();
    this.#add(test, masked(base, `${method} ${path}`, status, body));
  }

  /** Records the timelines of the story's onboardings. Call this before its servers stop. */
  async timelines(running: RunningStory): Promise<void> {
    for (const [id, { test, story }] of this.#started) {
      if (story !== running) continue;
      this.#started.delete(id);
      const timeline = await story.events(id).catch(() => []); // the test may have stopped the database
      if (timeline.length === 0) continue;
      const events = timeline.map(({ type, at, actor, data }) => ({ [type]: at, actor, ...data }));
      this.#add(test, masked(Date.parse(timeline[0]!.at) + SLACK_MS, 'timeline', ...events));
    }
  }

  /**
   * A missing line is not an error, because a run may leave out tests.
   *
   * @throws Error with the lines that are new, and how to accept them.
   */
  async end(): Promise<void> {
    for (const { story } of this.#started.values()) await this.timelines(story);
    const committed = existsSync(this.#file) ? read(this.#file) : null;
    if (wanted) this.#accept(committed ?? new Map(), wanted);
    else if (committed) this.#compare(committed);
  }

  #compare(committed: Lines): void {
    const news = [...this.#seen].flatMap(([test, lines]) => {
      const unknown = newLines(lines, committed.get(test));
      return unknown.length > 0 ? [`# ${test}`, ...unknown] : [];
    });
    if (news.length === 0) return;
    const test = `npm run test:e2e -- /${this.name}.e2e-spec`;
    const command = `ACCEPT_RECORDINGS='name of the change: its reason' ${test}`;
    throw new Error(
      [
        `test/recordings/${this.name}.txt does not have these lines. If they are right, accept them:`,
        `${command}\n`,
        ...news,
      ].join('\n'),
    );
  }

  #accept(committed: Lines, change: string): void {
    if (process.env['CI']) throw new Error('CI compares the recordings and never writes them.');
    const [, name] = /^([^:\n]+): \S/.exec(change) ?? [];
    if (!name) throw new Error("ACCEPT_RECORDINGS must be 'name of the change: reason'.");
    const accepted: Lines = new Map();
    for (const [test, lines] of this.#seen) {
      const before = committed.get(test);
      const differs = before && newLines(lines, before).length > 0;
      if (before?.has(UNSTEADY) || (differs && name === UNSTEADY)) accepted.set(test, new Set([UNSTEADY]));
      else accepted.set(test, name === UNSTEADY && before ? before : lines);
    }
    const text = written(accepted);
    if (existsSync(this.#file) && readFileSync(this.#file, 'utf8') === text) return;
    writeFileSync(this.#file, text);
    appendFileSync(join(FOLDER, 'changes.md'), `- ${this.name}: ${change}\n`);
  }

  #add(test: string, line: string): void {
    this.#seen.set(test, (this.#seen.get(test) ?? new Set()).add(line));
  }
}

const newLines = (lines: Set<string>, committed = new Set<string>()) =>
  committed.has(UNSTEADY) ? [] : [...lines].filter((line) => !committed.has(line));

const nameOf = (line: string) => createHash('sha256').update(line).digest('hex').slice(0, 8);

/** Lists the names of each test's lines, and then each line once, because tests have many lines in common. */
function written(tests: Lines): string {
  const recorded = new Set([...tests.values()].flatMap((lines) => [...lines]));
  recorded.delete(UNSTEADY);
  const beginning = /^(timeline|[A-Z]+ \S+ \d+)/;
  const list = [...tests].flatMap(([test, lines]) => [
    `# ${test}`,
    ...[...lines].map((line) =>
      line === UNSTEADY ? `  ${line}` : `  ${nameOf(line)} ${beginning.exec(line)?.[0]}`,
    ),
  ]);
  const lines = [...recorded].map((line) => `${nameOf(line)} ${line}`);
  return `${[...list, '', ...lines.toSorted()].join('\n')}\n`;
}

function read(file: string): Lines {
  const [list = '', recorded = ''] = readFileSync(file, 'utf8').split('\n\n');
  const lines = new Map(recorded.split('\n').map((line) => [line.slice(0, 8), line.slice(9)]));
  const tests: Lines = new Map();
  for (const [test = '', ...names] of list.split(/^# /m).map((each) => each.trimEnd().split('\n  '))) {
    tests.set(test, new Set(names.map((name) => lines.get(name.slice(0, 8)) ?? UNSTEADY)));
  }
  return tests;
}

/** Each test file loads this module again. */
export const recording = new Recording();

afterAll(() => recording.end());
