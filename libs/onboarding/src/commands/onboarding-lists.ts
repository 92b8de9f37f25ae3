import { Injectable } from '@nestjs/common';
import type { Caller } from '#libs/kernel';
import { Integrations, findProvider } from '#libs/upstream';
import { seesAll } from '../flow/ownership.js';
import type { Row } from '../flow/row.js';
import { ListReader, type ListFilter } from '../store/list-reader.js';
import { Subjects } from '../store/subjects.js';

@Injectable()
export class OnboardingLists {
  constructor(
    private readonly reader: ListReader,
    private readonly subjects: Subjects,
    private readonly integrations: Integrations,
  ) {}

  /**
   * Newest first.
   *
   * @throws ProblemError if no configured provider identifies subjects by the filter's kind of contact.
   */
  async list(filter: ListFilter, caller: Caller): Promise<{ rows: Row[]; next: string | null }> {
    const { rows, next } = await this.reader.page(filter, {
      callers: seesAll(caller) ? null : [caller.name],
      integrations: caller.integrations && [...caller.integrations],
      providers: this.integrations.all().flatMap(({ provider }) => findProvider(provider.kind) ?? []),
    });
    return { rows: rows.map((row) => this.subjects.withContact(row)), next };
  }
}
