import { Controller, Get, Injectable } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';

/** `detail` is for operators, and contains no URL and no secret. */
export interface Finding {
  status: 'up' | 'down';
  detail?: string;
}

export interface HealthCheck {
  name: string;
  /** If a vital part is down, the service is not ready. If another part is down, it is degraded. */
  vital: boolean;
  check(): Promise<Finding>;
}

/** Checks of parts that are not vital, from one call. Their names may differ from call to call. */
export interface HealthChecks {
  /** The name that `ready` shows if the call of `check` fails. */
  name: string;
  check(): Promise<Record<string, Finding>>;
}

const CHECK_TIMEOUT_MS = 2_000;

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

  /** @param whyDead returns why the process needs a restart, or null. An error counts as null. */
  registerLiveness(whyDead: () => Promise<string | null>): void {
    this.#liveness.push(whyDead);
  }

  /** @throws ProblemError `not_ready` if only a restart helps. */
  async live(): Promise<{ status: 'ok' }> {
    if (this.#draining) return { status: 'ok' };
    const found = await Promise.all(
      this.#liveness.map((whyDead) => inTime(whyDead(), null).catch(() => null)),
    );
    const detail = found.find((why) => why !== null);
    if (detail !== undefined) throw new ProblemError('not_ready', { detail });
    return { status: 'ok' };
  }

  /** Makes `ready` fail, so that load balancers send requests elsewhere. Requests are still accepted. */
  drain(): void {
    this.#draining = true;
  }

  /** From now on, the process accepts no new work, and clients stop waiting for a result. */
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

  /** @returns 1 for each check that is up, otherwise 0. */
  async gauges(): Promise<Record<string, number>> {
    const found = await this.#look();
    return Object.fromEntries(found.map(({ name, finding }) => [name, Number(finding.status === 'up')]));
  }

  /** @throws ProblemError `not_ready` if a vital part is down or the process is stopping. */
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
