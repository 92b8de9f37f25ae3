import { Controller, Get, Injectable } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ProblemError } from '#libs/kernel';

/** What a check found. `detail` is for operators: no URL, no secret. */
export interface Finding {
  status: 'up' | 'down';
  detail?: string;
}

export interface HealthCheck {
  name: string;
  /** Whether nothing works without it: then the service is not ready, rather than degraded. */
  vital: boolean;
  check(): Promise<Finding>;
}

/** Several checks with one read. Their names may change from read to read; none of them is vital. */
export interface HealthChecks {
  /** The name that `ready` shows if the read itself fails. */
  name: string;
  check(): Promise<Record<string, Finding>>;
}

/** A check that does not answer in this time has found its part down. */
const CHECK_TIMEOUT_MS = 2_000;

/** What the libs have to say about their parts of the whole, and whether the process is on its way out. */
@Injectable()
export class Health {
  readonly #checks: HealthCheck[] = [];
  readonly #groups: HealthChecks[] = [];
  readonly #liveness: (() => Promise<string | null>)[] = [];
  #draining = false;
  #closed = false;

  register(check: HealthCheck): void {
    this.#checks.push(check);
  }

  registerGroup(group: HealthChecks): void {
    this.#groups.push(group);
  }

  /** @param whyDead why only a restart can help; null where none is needed. One that throws says nothing. */
  registerLiveness(whyDead: () => Promise<string | null>): void {
    this.#liveness.push(whyDead);
  }

  /** @throws ProblemError `not_ready` where the process answers and yet does not do its work. */
  async live(): Promise<{ status: 'ok' }> {
    if (this.#draining) return { status: 'ok' };
    const found = await Promise.all(
      this.#liveness.map((whyDead) => inTime(whyDead(), null).catch(() => null)),
    );
    const detail = found.find((why) => why !== null);
    if (detail !== undefined) throw new ProblemError('not_ready', { detail });
    return { status: 'ok' };
  }

  /** Not ready any more: whoever spreads requests is to send the next ones elsewhere. They are still taken. */
  drain(): void {
    this.#draining = true;
  }

  /** From here on nothing new is taken, and nobody is kept waiting for others. */
  close(): void {
    this.#draining = true;
    this.#closed = true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** For metrics. @returns 1 for each check that is up and 0 for each that is down, by name. */
  async gauges(): Promise<Record<string, number>> {
    const found = await this.#look();
    return Object.fromEntries(found.map(({ name, finding }) => [name, Number(finding.status === 'up')]));
  }

  /** @throws ProblemError `not_ready` with all findings. */
  async ready(): Promise<{ status: 'ok' | 'degraded'; checks: Record<string, Finding> }> {
    const found = await this.#look();
    const checks = Object.fromEntries(found.map(({ name, finding }) => [name, finding]));
    const down = found.filter(({ finding }) => finding.status === 'down');
    const vital = down.find((each) => each.vital);
    if (this.#draining || vital) {
      const detail = this.#draining
        ? 'The service is stopping.'
        : `${vital!.name}: ${vital!.finding.detail ?? 'down'}`;
      throw new ProblemError('not_ready', { detail, retryAfterS: 2, extensions: { checks } });
    }
    return { status: down.length > 0 ? 'degraded' : 'ok', checks };
  }

  /** Sorted by name, so that each process shows the same order. */
  async #look() {
    const single = this.#checks.map(async (each) => [{ ...each, finding: await run(each) }]);
    const found = (await Promise.all([...single, ...this.#groups.map(runGroup)])).flat();
    return found.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }
}

const NO_ANSWER: Finding = { status: 'down', detail: 'no answer' };

async function run({ check }: HealthCheck): Promise<Finding> {
  try {
    return await inTime(check(), NO_ANSWER);
  } catch (error) {
    return failed(error);
  }
}

async function runGroup({ name, check }: HealthChecks) {
  const found = await inTime(check(), { [name]: NO_ANSWER }).catch((error: unknown) => ({
    [name]: failed(error),
  }));
  return Object.entries(found).map(([each, finding]) => ({ name: each, vital: false, finding }));
}

const failed = (error: unknown): Finding => ({
  status: 'down',
  detail: (error as { code?: string }).code ?? 'no answer',
});

function inTime<T>(work: Promise<T>, late: T): Promise<T> {
  const timeout = new Promise<T>((resolve) => setTimeout(() => resolve(late), CHECK_TIMEOUT_MS).unref());
  return Promise.race([work, timeout]);
}

/** Liveness says that a restart would not help; readiness, that the process is of use. */
@ApiExcludeController()
@Controller('health')
export class HealthController {
  constructor(private readonly health: Health) {}

  @Get('live')
  live() {
    return this.health.live();
  }

  @Get('ready')
  ready() {
    return this.health.ready();
  }
}
