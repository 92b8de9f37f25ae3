import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const COMPILE_CACHE = process.env['NODE_COMPILE_CACHE']
  ? { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
  : {};
const LISTENING = /listening on (http:\/\/[^"\s]+)["\s]/;
const READY_MS = 60_000;

export class AppProcess {
  #said = '';
  url!: string;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.#said += String(chunk)));
    }
  }

  /**
   * Starts the program at the path `main`, and waits until it prints its URL.
   *
   * @throws Error if the program ends or is not ready in time
   */
  static async start(main: string, env: Record<string, string>): Promise<AppProcess> {
    const child = spawn(process.execPath, [main], {
      env: { ...COMPILE_CACHE, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const app = new AppProcess(child);
    try {
      app.url = await app.#listening();
    } catch (error) {
      await app.end();
      throw new Error(`${main} ${(error as Error).message}:\n${app.said.slice(-3_000)}`, { cause: error });
    }
    return app;
  }

  #listening(): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`was not ready within ${READY_MS} ms`)), READY_MS);
      for (const stream of [this.child.stdout!, this.child.stderr!]) {
        stream.on('data', () => {
          const url = LISTENING.exec(this.#said)?.[1];
          if (!url) return;
          clearTimeout(timer);
          resolve(url);
        });
      }
      this.child.once('close', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`ended with ${code ?? signal} before it was ready`));
      });
    });
  }

  get said(): string {
    return this.#said;
  }

  get pid(): number {
    return this.child.pid!;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /**
   * Sends the signal, and waits until the process ends.
   *
   * @returns the exit code, or the signal that ended the process
   * @throws Error if the process had already ended
   */
  async dieOf(signal: NodeJS.Signals): Promise<number | string> {
    if (this.hasEnded)
      throw new Error(`the program had ended before ${signal}:\n${this.#said.slice(-3_000)}`);
    const gone = once(this.child, 'close') as Promise<[number | null, string | null]>;
    this.child.kill(signal);
    const [code, diedOf] = await gone;
    return code ?? diedOf!;
  }

  async kill(): Promise<void> {
    await this.dieOf('SIGKILL');
  }

  async end(): Promise<void> {
    if (!this.hasEnded) await this.kill();
  }

  stop(): Promise<number | string> {
    return this.dieOf('SIGTERM');
  }

  /** Suspends the program. Its sockets stay open. */
  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }
}
