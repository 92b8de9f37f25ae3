import { Logger } from '@nestjs/common';
import type { LogFields } from './log-fields.js';
import type { LogModule } from './log-modules.js';

/** For the field `err`. If the thrown value is not an Error, only its type is logged. */
export const errorOf = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(`${typeof thrown} was thrown`);

/** If the text of a line contains an id or a name, put it into a field too: machines read only the fields. */
export class Log {
  readonly #logger: Logger;

  /** @param module operators can change the level of these lines by this name. */
  constructor(module: LogModule) {
    this.#logger = new Logger(module);
  }

  debug(fields: LogFields, text: string): void {
    this.#logger.debug(fields, text);
  }

  info(fields: LogFields, text: string): void {
    this.#logger.log(fields, text);
  }

  warn(fields: LogFields, text: string): void {
    this.#logger.warn(fields, text);
  }

  error(fields: LogFields, text: string): void {
    this.#logger.error(fields, text);
  }
}
