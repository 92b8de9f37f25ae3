import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Story } from './story.js';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const COMPILE_CACHE = process.env['NODE_COMPILE_CACHE']
  ? { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
  : {};
const LISTENING = /listening on (http:\/\/[^"\s]+)/;
/** Nothing is timed: this only ends the wait for one that hangs. */
const READY_MS = 60_000;

/** The compiled service or worker in a process of its own, which can be killed, paused and told to stop. */
export class AppProcess {
  #said = '';

  private constructor(
    /** Where it listens. */
    readonly url: string,
    private readonly child: ChildProcess,
    beforeReady: string,
  ) {
    this.#said = beforeReady;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.#said += String(chunk)));
    }
  }

  /** All that it has written to its two outputs so far. */
  get said(): string {
    return this.#said;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Sends a signal and waits for its end. @returns its exit code, or the signal that it died of. */
  async dieOf(signal: NodeJS.Signals): Promise<number | string> {
    const gone = once(this.child, 'close') as Promise<[number | null, string | null]>;
    this.child.kill(signal);
    const [code, diedOf] = await gone;
    return code ?? diedOf!;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Starts one beside a story; `npm run test:e2e` has built it. The story's end kills what is left of it. */
  static async start(
    story: Story,
    app: 'onboarding' | 'worker',
    env: Record<string, string> = {},
  ): Promise<AppProcess> {
    const child = spawn(process.execPath, [join(CHECKOUT, 'dist', 'apps', app, 'src', 'main.js')], {
      env: { ...COMPILE_CACHE, ...story.env, LOG_LEVEL: 'info', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    story.atEnd(async () => void child.kill('SIGKILL'));
    const { url, said } = await listening(child, app);
    return new AppProcess(url, child, said);
  }

  /** No drain, no goodbye: as when the machine is gone. */
  async kill(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  /** Asks it to drain. @returns its exit code, or the signal that it died of. */
  async stop(): Promise<number | string> {
    const gone = once(this.child, 'exit') as Promise<[number | null, string | null]>;
    this.child.kill('SIGTERM');
    const [code, signal] = await gone;
    return code ?? signal!;
  }

  /** As a machine that sleeps: its sockets stay, its clock goes on. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }
}

function listening(child: ChildProcess, app: string): Promise<{ url: string; said: string }> {
  return new Promise((resolve, reject) => {
    let said = '';
    const fail = (why: string) => reject(new Error(`the ${app} ${why}:\n${said.slice(-3_000)}`));
    const timer = setTimeout(() => fail(`was not ready within ${READY_MS} ms`), READY_MS);
    const read = (chunk: Buffer) => {
      said += String(chunk);
      const url = LISTENING.exec(said)?.[1];
      if (!url) return;
      clearTimeout(timer);
      child.stdout!.off('data', read);
      child.stderr!.off('data', read);
      resolve({ url, said });
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${code ?? signal} before it was ready`);
    });
  });
}
