import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Contender, Running, Surroundings } from './contenders.js';
import { median } from './count.js';
import { forkHelper, pause, takeSample, type Sample } from './measure.js';

export interface Setting {
  atOnce: number;
  /** How long the provider takes to answer. */
  delayMs: number;
}

export interface Plan {
  settings: Setting[];
  /** A pair is one turn in forward order and one in reverse order. */
  pairs: number;
  /** Load before a contender's first turn, so that its code is compiled. */
  firstWarmMs: number;
  /** Load at the beginning of each turn, before the measurement. */
  warmMs: number;
  windowMs: number;
}

export interface Result {
  name: Contender['name'];
  setting: Setting;
  samples: Sample[];
}

export interface Upstream {
  url: string;
  /**
   * Sets how long the provider waits before it answers, and whether it fails.
   * @returns the number of calls in each second (Unix time) since the previous call of this function
   */
  answerAfter(delayMs: number, fails?: boolean): Promise<Map<number, number>>;
  stop(): void;
}

export async function startUpstream(): Promise<Upstream> {
  const child = forkHelper('upstream.ts');
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    url: `http://127.0.0.1:${port}`,
    async answerAfter(delayMs, fails = false) {
      child.send({ delayMs, fails });
      const [{ calls }] = (await once(child, 'message')) as [{ calls: [number, number][] }];
      return new Map(calls);
    },
    stop: () => child.disconnect(),
  };
}

/** The started contenders. Each is paused between its turns. */
export class Field {
  readonly #generator: ChildProcess = forkHelper('generator.ts');

  private constructor(
    private readonly contenders: Contender[],
    private readonly running: Map<Contender, Running>,
    private readonly surroundings: Surroundings,
    private readonly upstream: Upstream,
  ) {}

  static async start(
    contenders: Contender[],
    surroundings: Surroundings,
    upstream: Upstream,
  ): Promise<Field> {
    const running = new Map<Contender, Running>();
    const starts = contenders.map(async (contender) => {
      const one = await contender.start(surroundings);
      running.set(contender, one);
      pause(one, 'SIGSTOP');
    });
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === 'rejected');
    if (failed) {
      await Promise.all([...running.values()].map((one) => one.stop()));
      throw (failed as PromiseRejectedResult).reason;
    }
    return new Field(contenders, running, surroundings, upstream);
  }

  /** In the order A B C … C B A, so that a machine that becomes slower affects all contenders alike. */
  async play(plan: Plan, say: (line: string) => void): Promise<Result[]> {
    const { settings, pairs, firstWarmMs, warmMs, windowMs } = plan;
    const results: Result[] = [];
    for (const contender of this.contenders) {
      await this.#turn(contender, { atOnce: 16, warmMs: firstWarmMs, windowMs: 1 });
    }
    for (const setting of settings) {
      await this.upstream.answerAfter(setting.delayMs);
      const samplesOf = new Map(this.contenders.map((contender) => [contender, [] as Sample[]]));
      for (let pair = 1; pair <= pairs; pair++) {
        for (const contender of [...this.contenders, ...this.contenders.toReversed()]) {
          const sample = await this.#turn(contender, { atOnce: setting.atOnce, warmMs, windowMs });
          samplesOf.get(contender)!.push(sample);
        }
      }
      for (const [contender, samples] of samplesOf) results.push({ name: contender.name, setting, samples });
      const each = this.contenders.map((one) => `${one.name} ${samplesOf.get(one)!.map(rounded).join(' ')}`);
      say(`${nameOf(setting)}: ${each.join(', ')}`);
    }
    return results;
  }

  async #turn(contender: Contender, load: { atOnce: number; warmMs: number; windowMs: number }) {
    const running = this.running.get(contender)!;
    pause(running, 'SIGCONT');
    try {
      return await takeSample(this.#generator, running, this.surroundings.servers, load);
    } catch (error) {
      throw new Error(`${contender.name}: ${(error as Error).message}`, { cause: error });
    } finally {
      pause(running, 'SIGSTOP');
    }
  }

  async stop(): Promise<void> {
    this.#generator.disconnect();
    await Promise.all([...this.running.values()].map((one) => one.stop()));
  }
}

export const nameOf = ({ atOnce, delayMs }: Setting) => `${atOnce} at once, provider ${delayMs} ms`;
const rounded = ({ perSecond }: Sample) => perSecond.toFixed(0);

/** Their work does not vary, so differences between their turns come from the machine. */
const STEADY = new Set<string>(['relay', 'usual']);

/** How much a {@link STEADY} contender's throughput varied: (largest turn − smallest turn) / median turn. */
export function noiseOf(results: readonly Result[]): number {
  const spreads = results
    .filter(({ name, samples }) => STEADY.has(name) && samples.length > 1)
    .map(({ samples }) => {
      const rates = samples.map(({ perSecond }) => perSecond);
      return (Math.max(...rates) - Math.min(...rates)) / median(rates);
    });
  return Math.max(0, ...spreads);
}
